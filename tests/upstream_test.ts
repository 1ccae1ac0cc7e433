/** upstream.ts and fetch_upstream.ts: what is sent to Auth and PostgREST, and what Auth's answers come to. */

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import {
  ACTIVE_ROW,
  AGENCY,
  authError,
  authUser,
  HEALTHY,
  KEY,
  type Responder,
  rows,
  send,
  TOKEN,
  tokenOf,
  USER,
} from "../local/fake_upstream.ts";
import { AUTH_ERRORS, STEPS } from "./support/faults.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

const ask = () => poll(fn.url, TOKEN);
const query = (step: Step) => upstream.requests.find((request) => request.step === step)?.url.searchParams;
const steps = () => upstream.requests.map(({ step }) => step).sort();

test("GET sends three upstream requests for an active job, four if none is active, as the caller", async () => {
  upstream.reset();
  await ask();
  assert.deepEqual(steps(), ["auth.getUser", "get_active_sync_job", "users"]);
  upstream.reset({ get_active_sync_job: rows() });
  await ask();
  assert.deepEqual(steps(), ["auth.getUser", "get_active_sync_job", "historical_sync_jobs", "users"]);
  for (const { method, headers } of upstream.requests) {
    assert.deepEqual([method, headers.apikey, headers.authorization], ["GET", KEY, `Bearer ${TOKEN}`]);
  }
});

test("GET sends three requests before any is answered, and the fallback query after", async () => {
  const held: (() => void)[] = [];
  const withhold = (respond: Responder): Responder => (response, request) => {
    held.push(() => send(respond, response, request));
    // Answers only once all three are here: requests in a row would never be answered.
    if (held.length === 3) { for (const release of held) release(); }
  };
  upstream.reset({
    "auth.getUser": withhold(HEALTHY["auth.getUser"]),
    users: withhold(HEALTHY.users),
    get_active_sync_job: withhold(rows()),
  });
  assert.equal((await ask()).status, 200);
  assert.equal(upstream.requests.at(-1)?.step, "historical_sync_jobs");
});

test("GET calls the RPC without an argument, and the fallback query with the agency from users", async () => {
  upstream.reset({ get_active_sync_job: rows() });
  await ask();
  assert.equal(query("users")?.get("id"), `eq.${USER}`);
  assert.equal(query("get_active_sync_job")?.has("p_agency_id"), false);
  const fallback = query("historical_sync_jobs");
  assert.equal(fallback?.get("agency_id"), `eq.${AGENCY}`);
  assert.equal(fallback?.get("status"), "in.(completed,failed,cancelled)");
  assert.equal(fallback?.get("order"), "created_at.desc,id.desc");
  assert.equal(fallback?.get("limit"), "1");
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

test("GET answers 401 if Auth answers with a banned user", async () => {
  upstream.reset({ "auth.getUser": authUser(USER, { banned_until: "2999-01-01T00:00:00Z" }) });
  assert.equal((await ask()).status, 401);
  for (const banned_until of ["2020-01-01T00:00:00Z", null]) {
    upstream.reset({ "auth.getUser": authUser(USER, { banned_until }) });
    assert.equal((await ask()).status, 200);
  }
});

test("GET answers 200 to each of 20 polls if every connection breaks on its second request, also with many idle", async () => {
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
  await Promise.all(Array.from({ length: 10 }, ask));
  for (let i = 0; i < 20; i++) assert.equal((await ask()).status, 200);
  assert(upstream.requests.length > 20 * 4, "some requests were sent a second time");
});
