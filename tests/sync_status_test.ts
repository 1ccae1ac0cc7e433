/** sync_status.ts: the answers are judged in one order, whatever arrives first. */

import assert from "node:assert/strict";
import { activeJobRows, recentJobRows } from "../supabase/functions/get-sync-status/contract.ts";
import { getSyncStatus, type Outcome } from "../supabase/functions/get-sync-status/sync_status.ts";
import type { Answer, Failure, Step, Upstream } from "../supabase/functions/get-sync-status/upstream.ts";
import { ACTIVE_ROW, AGENCY, RECENT_ROW } from "../local/fake_upstream.ts";
import { test } from "./support/helpers.ts";

type Answered<Method extends keyof Upstream> = Awaited<ReturnType<Upstream[Method]>>;

const [active, recent] = [activeJobRows.parse([ACTIVE_ROW])[0], recentJobRows.parse([RECENT_ROW])[0]];
assert(active && recent);
const [{ agency_id: _, ...job }, { agency_id: __, ...recent_job }] = [active, recent];
const OTHER = { agency_id: "a0000000-0000-4000-8000-000000000002" };

const answered = <Value>(value: Value): Answer<Value> => ({ kind: "answered", value });
const failed = (step: Step, reason = "it failed"): Failure => ({ kind: "failed", step, reason });
const foreign = (step: Step) => failed(step, "the answer is another agency's");
const [NOTHING, UNASKED] = [answered(undefined), failed("historical_sync_jobs", "it need not be asked")];

/** What each may answer, and the outcome if that decides it. */
const AUTH: [string, Answered<"verifyToken">, Outcome?][] = [
  ["accepts", answered(true)],
  ["refuses", answered(false), { kind: "refused", code: "unauthorized" }],
  ["fails", failed("auth.getUser"), failed("auth.getUser")],
];
const USER: [string, Answered<"readUser">, Outcome?][] = [
  ["has an agency", answered({ agency_id: AGENCY })],
  ["has no agency", answered({ agency_id: null }), { kind: "refused", code: "forbidden" }],
  ["has no row", NOTHING, { kind: "refused", code: "forbidden" }],
  ["fails", failed("users"), failed("users")],
];
const JOBS: [string, Answered<"readActiveJob">, Answered<"readRecentJob">, Outcome][] = [
  ["active", answered(active), UNASKED, { kind: "status", status: { active: true, job } }],
  ["active, of another agency", answered({ ...active, ...OTHER }), UNASKED, foreign("get_active_sync_job")],
  ["unknown: the RPC fails", failed("get_active_sync_job"), UNASKED, failed("get_active_sync_job")],
  ["finished", NOTHING, answered(recent), { kind: "status", status: { active: false, recent_job } }],
  ["none", NOTHING, NOTHING, { kind: "status", status: { active: false, recent_job: null } }],
  ["of another agency", NOTHING, answered({ ...recent, ...OTHER }), foreign("historical_sync_jobs")],
  ["unknown: the query fails", NOTHING, failed("historical_sync_jobs"), failed("historical_sync_jobs")],
];
const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/** Gives an answer some turns of the event loop later. */
async function arrive<Value>(answer: Value, turns = 0): Promise<Value> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
  return answer;
}

for (const [auth, verdict, byAuth] of AUTH) {
  for (const [user, row, byUser] of USER) {
    for (const [jobs, activeJob, recentJob, byJobs] of JOBS) {
      test(`getSyncStatus judges Auth, then the user, then the jobs, if Auth ${auth}, the user ${user}, the job is ${jobs}`, async () => {
        for (const [first, second, third] of ORDERS) {
          const outcome = await getSyncStatus({
            verifyToken: () => arrive(verdict, first),
            readUser: () => arrive(row, second),
            readActiveJob: () => arrive(activeJob, third),
            readRecentJob: (agencyId) => arrive(agencyId === AGENCY ? recentJob : UNASKED),
          });
          assert.deepEqual(outcome, byAuth ?? byUser ?? byJobs);
        }
      });
    }
  }
}
