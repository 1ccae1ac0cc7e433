/** sync_status.ts: the answers are judged in one order, whatever arrives first. */

import assert from "node:assert/strict";
import { activeJobRows, recentJobRows } from "../supabase/functions/get-sync-status/contract.ts";
import { getSyncStatus, type Outcome } from "../supabase/functions/get-sync-status/sync_status.ts";
import type { Answer, Failed, Step, Upstream } from "../supabase/functions/get-sync-status/upstream.ts";
import { ACTIVE_ROW, AGENCY, RECENT_ROW } from "./support/fake_upstream.ts";
import { test } from "./support/helpers.ts";

const OTHER_AGENCY = "a0000000-0000-4000-8000-000000000002";

const [active, recent] = [activeJobRows.parse([ACTIVE_ROW])[0], recentJobRows.parse([RECENT_ROW])[0]];
assert(active && recent);
const [{ agency_id: _, ...job }, { agency_id: __, ...recent_job }] = [active, recent];

const answered = <Value>(value: Value): Answer<Value> => ({ kind: "answered", value });
const failed = (step: Step, reason = "it failed"): Failed => ({ kind: "failed", step, reason });
const foreign = (step: Step) => failed(step, "the answer is another agency's");

const UNAUTHORIZED: Outcome = { kind: "refused", code: "unauthorized" };
const FORBIDDEN: Outcome = { kind: "refused", code: "forbidden" };
const ACTIVE: Outcome = { kind: "status", status: { active: true, job } };
const IDLE: Outcome = { kind: "status", status: { active: false, recent_job } };
const NEVER: Outcome = { kind: "status", status: { active: false, recent_job: null } };

/** What each of the first wave may answer, and the outcome that this decides, if it decides one. */
const AUTH: [string, Answer<boolean>, Outcome?][] = [
  ["accepts", answered(true)],
  ["refuses", answered(false), UNAUTHORIZED],
  ["fails", failed("auth.getUser"), failed("auth.getUser")],
];
const USER: [string, Awaited<ReturnType<Upstream["readUser"]>>, Outcome?][] = [
  ["has an agency", answered({ agency_id: AGENCY })],
  ["has no agency", answered({ agency_id: null }), FORBIDDEN],
  ["has no row", answered(undefined), FORBIDDEN],
  ["fails", failed("users"), failed("users")],
];
const RPC: [string, Awaited<ReturnType<Upstream["readActiveJob"]>>, Outcome][] = [
  ["gives a job", answered(active), ACTIVE],
  [
    "gives another agency's job",
    answered({ ...active, agency_id: OTHER_AGENCY }),
    foreign("get_active_sync_job"),
  ],
  ["gives no job", answered(undefined), IDLE],
  ["fails", failed("get_active_sync_job"), failed("get_active_sync_job")],
];

const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/** Gives an answer some turns of the event loop later. */
async function arrive<Value>(answer: Value, turns = 0): Promise<Value> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
  return answer;
}

const describe = (outcome: Outcome) =>
  outcome.kind === "status"
    ? "the status"
    : outcome.kind === "refused"
    ? outcome.code
    : `a failure of ${outcome.step}`;

for (const [auth, verdict, byAuth] of AUTH) {
  for (const [user, row, byUser] of USER) {
    for (const [rpc, job, byRpc] of RPC) {
      const due = byAuth ?? byUser ?? byRpc;
      test(`getSyncStatus gives ${describe(due)} in any order of arrival if Auth ${auth}, the user ${user}, the RPC ${rpc}`, async () => {
        for (const [first, second, third] of ORDERS) {
          const outcome = await getSyncStatus({
            verifyToken: () => arrive(verdict, first),
            readUser: () => arrive(row, second),
            readActiveJob: () => arrive(job, third),
            readRecentJob: (agencyId) => arrive(answered(agencyId === AGENCY ? recent : undefined)),
          });
          assert.deepEqual(outcome, due);
        }
      });
    }
  }
}

const FALLBACKS: [string, Awaited<ReturnType<Upstream["readRecentJob"]>>, Outcome][] = [
  ["recent_job is null if the agency has no finished job", answered(undefined), NEVER],
  ["the fallback query fails if it fails", failed("historical_sync_jobs"), failed("historical_sync_jobs")],
  [
    "a recent job of another agency is never passed on",
    answered({ ...recent, agency_id: OTHER_AGENCY }),
    foreign("historical_sync_jobs"),
  ],
];
for (const [sentence, answer, outcome] of FALLBACKS) {
  test(`getSyncStatus: ${sentence}`, async () => {
    const upstream: Upstream = {
      verifyToken: () => arrive(answered(true)),
      readUser: () => arrive(answered({ agency_id: AGENCY })),
      readActiveJob: () => arrive(answered(undefined)),
      readRecentJob: () => arrive(answer),
    };
    assert.deepEqual(await getSyncStatus(upstream), outcome);
  });
}
