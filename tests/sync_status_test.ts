/** sync_status.ts: the answers are judged in one order, whatever arrives first. */

import assert from "node:assert/strict";
import {
  ACTIVE_ROW,
  answer,
  authError,
  authUser,
  HEALTHY,
  RECENT_ROW,
  type Responder,
  rows,
  send,
  TOKEN,
} from "../local/fake_upstream.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { loggedFor, poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

const ELSEWHERE = "a0000000-0000-4000-8000-000000000009";
const failed = answer(503, "");
const foreign = rows({ ...ACTIVE_ROW, agency_id: ELSEWHERE });

/** What the three requests are answered, in the order of judgement, and what comes of it: a status or the step of a 500. */
const CASES: [auth: Responder, user: Responder, activeJob: Responder, due: number | Step][] = [
  [authError(403, "bad_jwt"), failed, failed, 401],
  [failed, rows(), foreign, "auth.getUser"],
  [authUser(ELSEWHERE), rows(), failed, "auth.getUser"],
  [HEALTHY["auth.getUser"], failed, failed, "users"],
  [HEALTHY["auth.getUser"], rows(), failed, 403],
  [HEALTHY["auth.getUser"], rows({ agency_id: null }), foreign, 403],
  [HEALTHY["auth.getUser"], HEALTHY.users, failed, "get_active_sync_job"],
  [HEALTHY["auth.getUser"], HEALTHY.users, foreign, "get_active_sync_job"],
  [HEALTHY["auth.getUser"], HEALTHY.users, rows(ACTIVE_ROW), 200],
];
const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/** Answers three requests in an order, one after the other, once all three are there. */
function inOrder(order: number[], responders: Responder[]): Responder[] {
  const held: (() => void)[] = [];
  return responders.map((responder, index) => (response, request) => {
    held[index] = () => {
      response.once("close", () => held[order[order.indexOf(index) + 1] ?? -1]?.());
      send(responder, response, request);
    };
    if (Object.keys(held).length === order.length) held[order[0] ?? 0]?.();
  });
}

async function assertOutcome(due: number | Step): Promise<void> {
  const { status, headers } = await poll(fn.url, TOKEN);
  if (typeof due === "number") return assert.equal(status, due);
  assert.equal(status, 500);
  assert.equal((await loggedFor(headers, fn.output)).step, due);
}

for (const [auth, user, activeJob, due] of CASES) {
  const name = typeof due === "number" ? due : `500, the fault of ${due},`;
  test(`GET judges Auth, then the user, then the active job: ${name} in each order of arrival`, async () => {
    for (const order of ORDERS) {
      const [first, second, third] = inOrder(order, [auth, user, activeJob]);
      upstream.reset({ "auth.getUser": first, users: second, get_active_sync_job: third });
      await assertOutcome(due);
    }
  });
}

test("GET answers 500 if the most recent job is another agency's", async () => {
  const foreign = rows({ ...RECENT_ROW, agency_id: ELSEWHERE });
  upstream.reset({ get_active_sync_job: rows(), historical_sync_jobs: foreign });
  await assertOutcome("historical_sync_jobs");
});
