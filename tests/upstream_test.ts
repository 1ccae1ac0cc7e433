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
  USER,
} from "../local/fake_upstream.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { loggedFor, poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

const ask = () => poll(fn.url, TOKEN);

test("GET asks with the caller's token, and for a finished job only if none is active", async () => {
  upstream.reset();
  await ask();
  assert.equal(upstream.requests.length, 3);
  upstream.reset({ get_active_sync_job: rows() });
  await ask();
  assert.equal(upstream.requests.length, 4);
  for (const { method, headers } of upstream.requests) {
    assert.deepEqual([method, headers.apikey, headers.authorization], ["GET", KEY, `Bearer ${TOKEN}`]);
  }
  const queries = new Map(upstream.requests.map(({ step, url }) => [step, url.searchParams]));
  assert.equal(queries.get("users")?.get("id"), `eq.${USER}`);
  assert.equal(queries.get("get_active_sync_job")?.size, 0);
  const fallback = queries.get("historical_sync_jobs");
  fallback?.delete("select");
  assert.deepEqual(Object.fromEntries(fallback ?? []), {
    agency_id: `eq.${AGENCY}`,
    status: "in.(completed,failed,cancelled)",
    order: "created_at.desc,id.desc",
    limit: "1",
  });
});

test("GET answers 401 to Auth's errors if the fault is the token's", async () => {
  // Of Auth 2.196.0 on `GET /user`.
  const errors = {
    bad_jwt: 401,
    user_not_found: 401,
    user_banned: 401,
    session_not_found: 401,
    session_expired: 401,
    validation_failed: 401,
    no_authorization: 500,
  };
  for (const [code, due] of Object.entries(errors)) {
    upstream.reset({ "auth.getUser": authError(403, code) });
    assert.equal((await ask()).status, due, code);
  }
});

test("GET answers 401 to a user who is still banned", async () => {
  const until = { "2999-01-01T00:00:00Z": 401, "2020-01-01T00:00:00Z": 200 };
  for (const [banned_until, due] of Object.entries(until)) {
    upstream.reset({ "auth.getUser": authUser(USER, { banned_until }) });
    assert.equal((await ask()).status, due);
  }
});

test("GET answers 200 if every idle connection breaks on its next request", async () => {
  const used = new Set<Socket>();
  const held: (() => void)[] = [];
  const once = (step: Step): Responder => (response, request) => {
    if (used.has(request.socket)) return request.socket.destroy();
    used.add(request.socket);
    held.push(() => send(HEALTHY[step], response, request));
    // Ten polls are answered together, so that each of their requests opens a connection.
    if (used.size < 30) return;
    for (const release of held.splice(0)) release();
  };
  upstream.reset({
    "auth.getUser": once("auth.getUser"),
    users: once("users"),
    get_active_sync_job: once("get_active_sync_job"),
  });
  const answers = await Promise.all(Array.from({ length: 10 }, ask));
  for (let i = 0; i < 20; i++) answers.push(await ask());
  assert(answers.every(({ status }) => status === 200));
  assert(upstream.requests.length > 30 * 3);
});

test("GET logs codes of upstreams, and none that may quote a token, a key or a row", async () => {
  const logged = async (reply: Reply) => {
    upstream.reset({ users: reply });
    const { headers } = await ask();
    return await loggedFor(headers, fn.output);
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

/** What the three requests are answered, and what comes of it: a status, or the step of a 500. */
const CASES: [auth: Responder, user: Responder, activeJob: Responder, due: number | Step][] = [
  [authError(403, "bad_jwt"), failed, failed, 401],
  [failed, rows(), foreign, "auth.getUser"],
  [authUser(ELSEWHERE), rows(), failed, "auth.getUser"],
  [authUser(USER), failed, failed, "users"],
  [authUser(USER), rows(), failed, 403],
  [authUser(USER), HEALTHY.users, failed, "get_active_sync_job"],
  [authUser(USER), HEALTHY.users, foreign, "get_active_sync_job"],
];
const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/** Answers three requests one after the other, in an order, once all are there. */
function inOrder(order: number[], responders: Responder[]): Responder[] {
  const left = [...order];
  const held = new Map<number | undefined, () => void>();
  const answerNext = () => held.get(left.shift())?.();
  return responders.map((responder, index) => (response, request) => {
    held.set(index, () => {
      response.once("close", answerNext);
      send(responder, response, request);
    });
    if (held.size === order.length) answerNext();
  });
}

async function assertOutcome(due: number | Step): Promise<void> {
  const { status, headers } = await ask();
  if (typeof due === "number") return assert.equal(status, due);
  assert.equal(status, 500);
  assert.equal((await loggedFor(headers, fn.output)).step, due);
}

for (const [auth, user, activeJob, due] of CASES) {
  test(`GET judges Auth, then the user, then the job, in each order of arrival: ${due}`, async () => {
    for (const order of ORDERS) {
      const [first, second, third] = inOrder(order, [auth, user, activeJob]);
      upstream.reset({ "auth.getUser": first, users: second, get_active_sync_job: third });
      await assertOutcome(due);
    }
  });
}

/** What fits no column of a job; JSON leaves undefined out. */
const BROKEN = [true, {}, [], -1, 0.5, 1e300, "", "x", "infinity", "0044-03-15 00:00:00+00 BC", undefined];

test("GET answers 500 if any field of a job breaks the contract", async () => {
  const jobs = { get_active_sync_job: ACTIVE_ROW, historical_sync_jobs: RECENT_ROW };
  for (const [step, row] of Object.entries(jobs)) {
    for (const column of Object.keys(row)) {
      for (const value of BROKEN) {
        upstream.reset({ get_active_sync_job: rows(), [step]: rows({ ...row, [column]: value }) });
        assert.equal((await ask()).status, 500, `${step}, ${column}: ${value}`);
      }
    }
  }
});

test("GET answers 500 if the most recent job is another agency's", async () => {
  const recent = rows({ ...RECENT_ROW, agency_id: ELSEWHERE });
  upstream.reset({ get_active_sync_job: rows(), historical_sync_jobs: recent });
  await assertOutcome("historical_sync_jobs");
});
