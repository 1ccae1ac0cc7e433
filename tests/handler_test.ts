import assert from "node:assert/strict";
import { handle } from "../supabase/functions/get-sync-status/handler.ts";
import { connect } from "../supabase/functions/get-sync-status/upstream.ts";
import {
  answer,
  authError,
  type Changes,
  HEALTHY,
  KEY,
  type Responder,
  rows,
  send,
  TOKEN,
  tokenOf,
  USER,
} from "../local/fake_upstream.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { keepsContract, loggedFor, poll, test, until } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

const ask = (init?: RequestInit) => poll(fn.url, TOKEN, init);
const hang: Responder = () => {};

test("GET reads long tokens, the scheme and sub in any case, and each character of base64url", async () => {
  upstream.reset();
  const claims = { app_metadata: { teams: "x".repeat(30_000) }, name: "Zoë 日本 ???>>>~~~" };
  const token = await tokenOf(USER.toUpperCase(), claims);
  assert.match(token, /^.{40000}/);
  assert.match(token.split(".")[1] ?? "", /-.*_|_.*-/);
  const headers = { Authorization: `bEaReR  ${token} ` };
  assert.equal((await poll(fn.url, undefined, { headers })).status, 200);
});

const NO_UUID = [null, {}, { sub: 1 }, { sub: `${USER}0` }];
const withPayload = (payload: unknown) => `e30.${btoa(JSON.stringify(payload)).replaceAll("=", "")}.c2ln`;
const NO_JWT = ["", "e30.e30", "e30.x.c2ln", `${TOKEN}.x`, `${TOKEN}=`, `${TOKEN}é`, `${TOKEN} x`];

test("a preflight, a wrong method and what is no user's JWT send no upstream request", async () => {
  upstream.reset();
  assert.equal((await ask({ method: "OPTIONS" })).status, 204);
  assert.equal((await ask({ method: "POST", body: "{}" })).status, 405);
  for (const token of [...NO_JWT, ...NO_UUID.map(withPayload)]) {
    assert.equal((await poll(fn.url, token)).status, 401, token);
  }
  assert.deepEqual(upstream.requests, []);
});

test("GET reads nothing of the path, the query string and other headers", async () => {
  upstream.reset();
  const { text } = await ask();
  const headers = { "Accept": "text/csv", "Prefer": "count=exact", "Cookie": "a=b" };
  const query = "?p_agency_id=a0000000-0000-4000-8000-000000000002";
  assert.equal((await poll(`${fn.url}/sub/path${query}`, TOKEN, { headers })).text, text);
});

test("a 401, a 403 and a 500 cancel the other requests, and only a 500 is logged", async () => {
  const logged = fn.output.length;
  const early: [status: number, cancelled: number, changes: Changes][] = [
    [401, 2, { "auth.getUser": authError(403, "bad_jwt"), users: hang, get_active_sync_job: hang }],
    [403, 1, { users: rows(), get_active_sync_job: hang }],
    [500, 1, { users: answer(503, ""), get_active_sync_job: hang }],
  ];
  for (const [status, cancelled, changes] of early) {
    upstream.reset(changes);
    const { status: answered, headers } = await ask();
    assert.equal(answered, status);
    if (status === 500) await loggedFor(headers, fn.output);
    await until(() => upstream.abandoned === cancelled);
  }
  assert.equal(fn.output.length, logged + 1);
});

test("a client that disconnects cancels its upstream requests, repeats none, and logs nothing", async () => {
  const logged = fn.output.length;
  const cases: [asked: number, cancelled: number, changes: Changes][] = [
    [3, 3, { "auth.getUser": hang, users: hang, get_active_sync_job: hang }],
    [4, 1, { get_active_sync_job: rows(), historical_sync_jobs: hang }],
  ];
  for (const [asked, cancelled, changes] of cases) {
    upstream.reset(changes);
    // A client that came first is answered last, and in time: no deadline has cancelled anything.
    const { promise: isCancelled, resolve: release } = Promise.withResolvers<void>();
    const wait: Responder = (response, request) =>
      void isCancelled.then(() => send(HEALTHY.users, response, request));
    const other = await tokenOf(USER);
    upstream.callers.set(other, { ...HEALTHY, users: wait });
    const waiting = poll(fn.url, other);
    await until(() => upstream.requests.length === 3);

    const client = new AbortController();
    const gone = assert.rejects(ask({ signal: client.signal }), { name: "AbortError" });
    await until(() => upstream.requests.length === 3 + asked);
    client.abort();
    await gone;
    await until(() => upstream.abandoned >= cancelled);
    release();
    assert.equal((await waiting).status, 200);
    assert.equal(upstream.abandoned, cancelled);
    assert.equal(upstream.requests.length, 3 + asked);
  }
  assert.deepEqual(fn.output.slice(logged), []);
});

test("GET answers 500 if the function itself fails, and logs only the error's class", async () => {
  const request = new Request(fn.url);
  const thrown = new DOMException(`at ${TOKEN}`, "BrokenError");
  Object.defineProperty(request, "headers", { get: () => assert.fail(thrown) });
  const { error } = console;
  const lines: string[] = [];
  console.error = (line) => lines.push(line);
  try {
    const answer = await handle(request, connect({ url: upstream.url, publishableKey: KEY }));
    assert.equal((await keepsContract(answer)).status, 500);
  } finally {
    console.error = error;
  }
  assert.match(lines.join(), /"reason":"the function failed","error_class":"BrokenError"\}$/);
});
