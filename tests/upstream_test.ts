/** What is sent to Auth and PostgREST, what their answers come to, and in which order they are judged. */

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import {
  ACTIVE_ROW,
  AGENCY,
  answer,
  authError,
  authUser,
  HEALTHY,
  KEY,
  postgrestError,
  RECENT_ROW,
  type Reply,
  type Responder,
  rows,
  send,
  TOKEN,
  tokenOf,
  USER,
} from "../local/fake_upstream.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import { AUTH_ERRORS, STEPS } from "./support/faults.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { loggedFor, poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

const ask = () => poll(fn.url, TOKEN);
test("GET sends three requests for an active job and four if none is active, each with the caller's token", async () => {
  upstream.reset();
  await ask();
  assert.deepEqual(upstream.requests.map(({ step }) => step).sort(), STEPS.slice(0, 3).sort());
  upstream.reset({ get_active_sync_job: rows() });
  await ask();
  assert.deepEqual(upstream.requests.map(({ step }) => step).sort(), STEPS.toSorted());
  for (const { method, headers } of upstream.requests) {
    assert.deepEqual([method, headers.apikey, headers.authorization], ["GET", KEY, `Bearer ${TOKEN}`]);
  }
});

test("GET asks for the user of the token, the RPC without an argument, and the last finished job of the user's agency", async () => {
  upstream.reset({ get_active_sync_job: rows() });
  await ask();
  const asked = new Map(upstream.requests.map(({ step, url }) => [step, url.searchParams]));
  assert.equal(asked.get("users")?.get("id"), `eq.${USER}`);
  assert.equal(asked.get("get_active_sync_job")?.size, 0);
  const { select: _, ...fallback } = Object.fromEntries(asked.get("historical_sync_jobs") ?? []);
  assert.deepEqual(fallback, {
    agency_id: `eq.${AGENCY}`,
    status: "in.(completed,failed,cancelled)",
    order: "created_at.desc,id.desc",
    limit: "1",
  });
});

test("GET takes any UUID that PostgreSQL takes, also one of no version that RFC 9562 names", async () => {
  const sub = "b0000000-0000-0000-0000-000000000001";
  const agency_id = "a0000000-0000-0000-0000-000000000001";
  upstream.reset({
    "auth.getUser": authUser(sub),
    users: rows({ agency_id }),
    get_active_sync_job: rows({ ...ACTIVE_ROW, agency_id }),
  });
  assert.equal((await poll(fn.url, await tokenOf(sub))).status, 200);
});

for (const [status, code, due, reason] of AUTH_ERRORS) {
  test(`GET answers ${due} if Auth answers ${code} (${status}): ${reason}`, async () => {
    upstream.reset({ "auth.getUser": authError(status, code) });
    assert.equal((await ask()).status, due);
  });
}

test("GET answers 401 if Auth answers with a user who is banned until later", async () => {
  const until = { "2999-01-01T00:00:00Z": 401, "2020-01-01T00:00:00Z": 200 };
  for (const [banned_until, due] of Object.entries(until)) {
    upstream.reset({ "auth.getUser": authUser(USER, { banned_until }) });
    assert.equal((await ask()).status, due);
  }
});

test("GET answers 200 to each of 30 polls if every connection breaks on its second request, also with many idle", async () => {
  const used = new Set<Socket>();
  const held: (() => void)[] = [];
  const once = (respond: Responder): Responder => (response, request) => {
    if (used.has(request.socket)) return request.socket.destroy();
    used.add(request.socket);
    // The first polls are answered together, so that each request opens a connection.
    held.push(() => send(respond, response, request));
    if (used.size >= 30) { for (const release of held.splice(0)) release(); }
  };
  const replies = { ...HEALTHY, get_active_sync_job: rows() };
  upstream.reset(Object.fromEntries(STEPS.map((step) => [step, once(replies[step])])));
  for (const { status } of await Promise.all(Array.from({ length: 10 }, ask))) assert.equal(status, 200);
  for (let i = 0; i < 20; i++) assert.equal((await ask()).status, 200);
  assert(upstream.requests.length > 20 * 4, "some requests were sent a second time");
});

test("GET logs codes of Auth, PostgREST and PostgreSQL, and none that may quote a token, a key or a row", async () => {
  const logged = async (reply: Reply) => {
    upstream.reset({ users: reply });
    return await loggedFor((await ask()).headers, fn.output);
  };
  for (const code of ["PGRST000", "PGRSTX00", "42P01", "over_request_rate_limit"]) {
    assert.equal((await logged(postgrestError(500, code))).upstream_code, code);
  }
  const secrets = [`Bearer ${TOKEN}`, "sb_publishable_x1Y2z3", { row: "a@example.com" }, 500, "x".repeat(65)];
  for (const code of secrets) {
    const line = await logged(answer(400, JSON.stringify({ code, message: TOKEN })));
    assert.equal(line.upstream_code, undefined);
    assert.equal(JSON.stringify(line).includes(TOKEN), false);
  }
});

const ELSEWHERE = "a0000000-0000-4000-8000-000000000009";
const failed = answer(503, "");
const foreign = rows({ ...ACTIVE_ROW, agency_id: ELSEWHERE });

/** What the three requests are answered, in the order of judgement, and what comes of it: a status or the step of a 500. */
const CASES: [auth: Responder, user: Responder, activeJob: Responder, due: number | Step][] = [
  [authError(403, "bad_jwt"), failed, failed, 401],
  [failed, rows(), foreign, "auth.getUser"],
  [authUser(ELSEWHERE), rows(), failed, "auth.getUser"],
  [authUser(USER), failed, failed, "users"],
  [authUser(USER), rows(), failed, 403],
  [authUser(USER), rows({ agency_id: null }), foreign, 403],
  [authUser(USER), HEALTHY.users, failed, "get_active_sync_job"],
  [authUser(USER), HEALTHY.users, foreign, "get_active_sync_job"],
  [authUser(USER), HEALTHY.users, rows(ACTIVE_ROW), 200],
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
