/** handler.ts: what reaches the upstream, what is logged, and what happens when a client goes away. */

import assert from "node:assert/strict";
import http from "node:http";
import { createHandler } from "../supabase/functions/get-sync-status/handler.ts";
import {
  answer,
  authError,
  KEY,
  postgrestError,
  type Responder,
  rows,
  startFunctionOnFake,
  TOKEN,
  tokenOf,
  USER,
} from "./support/fake_upstream.ts";
import { keepsContract, loggedFor, poll, test, until } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

const ask = (init?: RequestInit) => poll(fn.url, TOKEN, init);
const hang: Responder = () => {};

test("a preflight and a wrong method send no upstream request", async () => {
  upstream.reset();
  assert.equal((await ask({ method: "OPTIONS" })).status, 204);
  assert.equal((await ask({ method: "POST", body: "{}" })).status, 405);
  assert.deepEqual(upstream.requests, []);
});

test("GET passes a token of 40,000 characters on to Auth, and reads a sub in upper case", async () => {
  upstream.reset();
  const token = await tokenOf(USER.toUpperCase(), { app_metadata: { teams: "x".repeat(30_000) } });
  assert(token.length > 40_000);
  assert.equal((await poll(fn.url, token)).status, 200);
});

test("GET ignores a body", async () => {
  upstream.reset();
  const body = '{"p_agency_id":"a0000000-0000-4000-8000-000000000002"}';
  const headers = { "Authorization": `Bearer ${TOKEN}`, "Content-Length": body.length };
  // fetch sends no body with GET.
  const { statusCode } = await new Promise<http.IncomingMessage>((resolve, reject) =>
    http.request(fn.url, { headers }, resolve).once("error", reject).end(body)
  );
  assert.equal(statusCode, 200);
  assert(upstream.requests.every(({ url }) => !url.searchParams.has("p_agency_id")));
});

test("only a 500 is logged", async () => {
  const logged = fn.output.length;
  upstream.reset({ users: rows({ agency_id: null }) });
  for (const init of [{}, { method: "OPTIONS" }, { method: "POST" }]) await ask(init);
  await poll(fn.url, "nonsense");
  upstream.reset({ users: answer(500, "") });
  await loggedFor((await ask()).headers, fn.output);
  assert.equal(fn.output.length, logged + 1);
});

test("the log line names the step, the upstream's status and code, the duration and the request", async () => {
  upstream.reset({ get_active_sync_job: postgrestError(404, "PGRST202") });
  const { status, text, headers } = await ask();
  assert.equal(status, 500);
  assert.equal(
    text,
    '{"error":"The sync status could not be determined. Please try again.","code":"internal_error"}',
  );
  const line = await loggedFor(headers, fn.output);
  assert.deepEqual({ ...line, duration_ms: typeof line.duration_ms }, {
    level: "error",
    function: "get-sync-status",
    request_id: headers.get("X-Request-Id"),
    step: "get_active_sync_job",
    reason: "the request failed",
    upstream_status: 404,
    upstream_code: "PGRST202",
    duration_ms: "number",
  });
});

test("the log holds no token, no key and no header, also if an upstream's error quotes them", async () => {
  const quote = { message: `apikey: ${KEY}, Authorization: Bearer ${TOKEN}`, code: "XX000" };
  for (const step of ["auth.getUser", "users", "get_active_sync_job"] as const) {
    upstream.reset({ [step]: answer(500, JSON.stringify(quote)) });
    const line = JSON.stringify(await loggedFor((await ask()).headers, fn.output));
    for (const part of [KEY, ...TOKEN.split(".")]) assert.equal(line.includes(part), false);
    assert.doesNotMatch(line, /"authorization|bearer|apikey/i);
  }
});

test("a 401 does not wait for the other requests, and cancels them", async () => {
  upstream.reset({ "auth.getUser": authError(403, "bad_jwt"), users: hang, get_active_sync_job: hang });
  assert.equal((await ask()).status, 401);
  await until(() => upstream.abandoned.length === 2);
  assert.deepEqual(upstream.abandoned.sort(), ["get_active_sync_job", "users"]);
});

test("a client that disconnects cancels every upstream request, repeats none, and logs nothing", async () => {
  upstream.reset({ "auth.getUser": hang, users: hang, get_active_sync_job: hang });
  const logged = fn.output.length;
  const client = new AbortController();
  const gone = ask({ signal: client.signal }).catch((error) => error.name);
  await until(() => upstream.requests.length === 3);
  client.abort();
  assert.equal(await gone, "AbortError");
  // Before the deadline would cancel them.
  await until(() => upstream.abandoned.length === 3, 5_000);
  assert.equal((await ask({ method: "OPTIONS" })).status, 204);
  assert.equal(upstream.requests.length, 3);
  assert.deepEqual(fn.output.slice(logged), []);
});

test("GET answers 500 if the function itself fails, and logs only the error's class", async () => {
  const request = new Request(fn.url);
  const thrown = Object.assign(new Error(`at ${TOKEN}`), { name: "BrokenError" });
  Object.defineProperty(request, "headers", { get: () => assert.fail(thrown) });
  const [{ error }, lines]: [Console, string[]] = [console, []];
  console.error = (line) => lines.push(line);
  try {
    const answer = await createHandler({ url: upstream.url, publishableKey: KEY })(request);
    assert.equal((await keepsContract(answer)).status, 500);
  } finally {
    console.error = error;
  }
  assert.match(lines.join(), /"step":"handler","reason":"BrokenError"\}$/);
});

test("config.toml leaves the check of tokens to the function: the gateway's own lacks CORS headers", async () => {
  const config = await Deno.readTextFile(new URL("../supabase/config.toml", import.meta.url));
  assert.match(config, /^\[functions\.get-sync-status\]\n(#.*\n)*verify_jwt = false$/m);
});
