/** What the function sends to Auth and PostgREST, and how it answers for each of their answers. */

import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { startFunction } from "../local/function_process.ts";
import { createHandler } from "../supabase/functions/get-sync-status/handler.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import {
  ACTIVE_ROW,
  AGENCY,
  answer,
  authError,
  HEALTHY,
  KEY,
  postgrestError,
  RECENT_ROW,
  type Responder,
  rows,
  send,
  startFakeUpstream,
  TOKEN,
  tokenOf,
  USER,
} from "./support/fake_upstream.ts";
import { AUTH_ERRORS } from "./support/faults.ts";
import {
  ACTIVE_EXAMPLE,
  IDLE_EXAMPLE,
  keepsContract,
  loggedFor,
  poll,
  test,
  until,
} from "./support/helpers.ts";

const upstream = await startFakeUpstream();
const fn = await startFunction({ env: { SUPABASE_URL: upstream.url, SUPABASE_PUBLISHABLE_KEY: KEY } });
Deno.test.afterAll(async () => {
  await fn.stop();
  await upstream.stop();
});

const ask = (init?: RequestInit) => poll(fn.url, TOKEN, init);
const url = (step: Step) => upstream.requests.find((request) => request.step === step)?.url;
const steps = () => upstream.requests.map(({ step }) => step);

async function is500(): Promise<Record<string, unknown>> {
  const { status, body, headers } = await ask();
  assert.equal(status, 500);
  assert.deepEqual(body, {
    error: "The sync status could not be determined. Please try again.",
    code: "internal_error",
  });
  return await loggedFor(headers, fn.output);
}

test("GET turns PostgREST's active job into the spec's first example", async () => {
  upstream.reset();
  const { text } = await ask();
  assert.equal(text, JSON.stringify(JSON.parse(ACTIVE_EXAMPLE.replace("uuid", ACTIVE_ROW.id))));
});

test("GET turns PostgREST's finished job into the spec's second example", async () => {
  upstream.reset({ get_active_sync_job: rows() });
  const { text } = await ask();
  assert.equal(text, JSON.stringify(JSON.parse(IDLE_EXAMPLE.replace("uuid", RECENT_ROW.id))));
});

test("GET drops a column that the contract does not name", async () => {
  upstream.reset({ get_active_sync_job: rows({ api_secret: "s3cret", ...ACTIVE_ROW }) });
  assert.equal((await ask()).text.includes("s3cret"), false);
});

test("GET sends three upstream requests for an active job, four where none is active", async () => {
  upstream.reset();
  await ask();
  assert.deepEqual(steps().sort(), ["auth.getUser", "get_active_sync_job", "users"]);
  upstream.reset({ get_active_sync_job: rows() });
  await ask();
  assert.deepEqual(steps().sort(), ["auth.getUser", "get_active_sync_job", "historical_sync_jobs", "users"]);
});

test("GET sends the three requests of the first wave before any is answered", async () => {
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
  assert.equal(
    steps().at(-1),
    "historical_sync_jobs",
    "the fallback query leaves after the answers of the wave",
  );
});

test("every upstream request is a GET with the publishable key and the caller's own token", async () => {
  upstream.reset({ get_active_sync_job: rows() });
  await ask();
  assert.equal(upstream.requests.length, 4);
  for (const { method, headers } of upstream.requests) {
    assert.equal(method, "GET");
    assert.equal(headers["apikey"], KEY);
    assert.equal(headers["authorization"], `Bearer ${TOKEN}`);
  }
});

test("GET calls the RPC without an argument, and the fallback query with the agency from users", async () => {
  upstream.reset({ get_active_sync_job: rows() });
  await ask();
  assert.equal(url("users")?.searchParams.get("id"), `eq.${USER}`);
  assert.equal(url("get_active_sync_job")?.searchParams.has("p_agency_id"), false);
  const fallback = url("historical_sync_jobs")?.searchParams;
  assert.equal(fallback?.get("agency_id"), `eq.${AGENCY}`);
  assert.equal(fallback?.get("status"), "in.(completed,failed,cancelled)");
  assert.equal(fallback?.get("order"), "created_at.desc,id.desc");
  assert.equal(fallback?.get("limit"), "1");
});

test("a token without a user id, a preflight and a wrong method send no upstream request", async () => {
  upstream.reset();
  assert.equal((await poll(fn.url, "nonsense")).status, 401);
  assert.equal((await poll(fn.url, KEY)).status, 401);
  assert.equal((await poll(fn.url, await tokenOf("1 or 1=1"))).status, 401);
  assert.equal((await ask({ method: "OPTIONS" })).status, 204);
  assert.equal((await ask({ method: "POST", body: "{}" })).status, 405);
  assert.deepEqual(upstream.requests, []);
});

for (const { status, code, verdict, reason } of AUTH_ERRORS) {
  test(`GET answers ${verdict} when Auth answers ${code} (${status}): ${reason}`, async () => {
    upstream.reset({ "auth.getUser": authError(status, code) });
    if (verdict === 401) assert.equal((await ask()).status, 401);
    else assert.equal((await is500()).step, "auth.getUser");
  });
}

test("GET reads a sub in upper case as the same user", async () => {
  upstream.reset();
  assert.equal((await poll(fn.url, await tokenOf(USER.toUpperCase()))).status, 200);
  assert.equal(url("users")?.searchParams.get("id"), `eq.${USER}`);
});

test("GET answers 401 to a token of more than 64 KiB, without an upstream request", async () => {
  upstream.reset();
  // In this process: Deno's server does not let such a header through, another one may.
  const handler = createHandler({ url: upstream.url, publishableKey: KEY });
  const headers = { Authorization: `Bearer ${TOKEN}${"A".repeat(65_536)}` };
  assert.equal((await keepsContract(await handler(new Request(fn.url, { headers })))).status, 401);
  assert.deepEqual(upstream.requests, []);
});

test("GET passes a token of 40,000 characters on to Auth", async () => {
  upstream.reset();
  const token = await tokenOf(USER, { app_metadata: { teams: "x".repeat(30_000) } });
  assert(token.length > 40_000);
  assert.equal((await poll(fn.url, token)).status, 200);
  assert.equal(upstream.requests.length, 3);
});

test("GET answers 401 when Auth answers with a banned user", async () => {
  const banned = (until: string) => answer(200, JSON.stringify({ id: USER, banned_until: until }));
  upstream.reset({ "auth.getUser": banned("2999-01-01T00:00:00Z") });
  assert.equal((await ask()).status, 401);
  upstream.reset({ "auth.getUser": banned("2020-01-01T00:00:00Z") });
  assert.equal((await ask()).status, 200);
});

test("GET answers 500, not 401, when the gateway refuses a rotated API key", async () => {
  upstream.reset({ "auth.getUser": answer(401, '{"message":"Invalid API key"}') });
  assert.equal((await is500()).step, "auth.getUser");
});

test("GET answers 500 when the active job belongs to another agency", async () => {
  upstream.reset({
    get_active_sync_job: rows({ ...ACTIVE_ROW, agency_id: "a0000000-0000-4000-8000-000000000002" }),
  });
  assert.equal((await is500()).reason, "the answer is another agency's");
});

test("GET answers 500 when the most recent job belongs to another agency", async () => {
  upstream.reset({
    get_active_sync_job: rows(),
    historical_sync_jobs: rows({ ...RECENT_ROW, agency_id: "a0000000-0000-4000-8000-000000000002" }),
  });
  assert.equal((await is500()).reason, "the answer is another agency's");
});

test("GET answers 500 to a redirect of an upstream, and does not follow it", async () => {
  upstream.reset({ users: answer(307, "", { "Location": `${upstream.url}/rest/v1/elsewhere` }) });
  await is500();
  assert.equal(upstream.requests.some(({ url }) => url.pathname.endsWith("/elsewhere")), false);
});

test("the log line names the step, the upstream's status and code, the duration and the request", async () => {
  upstream.reset({ get_active_sync_job: postgrestError(404, "PGRST202") });
  const line = await is500();
  assert.deepEqual({ ...line, request_id: typeof line.request_id, duration_ms: typeof line.duration_ms }, {
    level: "error",
    function: "get-sync-status",
    request_id: "string",
    step: "get_active_sync_job",
    reason: "the request failed",
    upstream_status: 404,
    upstream_code: "PGRST202",
    duration_ms: "number",
  });
});

const hang: Responder = () => {};

test("a 401 does not wait for the other requests, and cancels them", async () => {
  upstream.reset({ "auth.getUser": authError(403, "bad_jwt"), users: hang, get_active_sync_job: hang });
  assert.equal((await ask()).status, 401);
  await until(() => upstream.abandoned.length === 2);
  assert.deepEqual(upstream.abandoned.sort(), ["get_active_sync_job", "users"]);
});

test("a client that disconnects cancels every upstream request, and logs nothing", async () => {
  upstream.reset({ "auth.getUser": hang, users: hang, get_active_sync_job: hang });
  const logged = fn.output.length;
  const client = new AbortController();
  const gone = ask({ signal: client.signal }).catch((error) => error.name);
  await until(() => upstream.requests.length === 3);
  client.abort();
  assert.equal(await gone, "AbortError");
  await until(() => upstream.abandoned.length === 3);
  upstream.reset();
  assert.equal((await ask()).status, 200);
  assert.deepEqual(fn.output.slice(logged), []);
});

test(
  "no poll leaves a timer behind, after an answer, a refusal, a failure, the deadline or a disconnect",
  async () => {
    // In this process, whose timers can be counted.
    const handler = createHandler({ url: upstream.url, publishableKey: KEY });
    const ask = (signal?: AbortSignal) =>
      handler(new Request(fn.url, { headers: { Authorization: `Bearer ${TOKEN}` }, signal }));
    const allAsked = async () => {
      while (upstream.requests.length < 3) await new Promise((resolve) => setImmediate(resolve));
    };
    const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
    const { error } = console;
    console.error = () => {};
    try {
      const ends: [number, Partial<Record<Step, Responder>>][] = [
        [200, {}],
        [200, { get_active_sync_job: rows() }],
        [401, { "auth.getUser": authError(403, "bad_jwt"), users: hang, get_active_sync_job: hang }],
        [403, { users: rows({ agency_id: null }), get_active_sync_job: hang }],
        [500, { users: postgrestError(503, "PGRST002"), get_active_sync_job: hang }],
      ];
      for (const [status, changes] of ends) {
        upstream.reset(changes);
        assert.equal((await ask()).status, status);
        assert.equal(clock.countTimers(), 0, `after a ${status}`);
      }

      upstream.reset({ users: hang });
      const late = ask();
      await allAsked();
      assert.equal(clock.countTimers(), 1, "the deadline is a timer");
      await clock.tickAsync(10_000);
      assert.equal((await late).status, 500);
      assert.equal(clock.countTimers(), 0, "after the deadline");

      upstream.reset({ users: hang });
      const client = new AbortController();
      const unheard = ask(client.signal);
      await allAsked();
      client.abort();
      await unheard;
      assert.equal(clock.countTimers(), 0, "after a disconnect");
    } finally {
      console.error = error;
      clock.uninstall();
    }
  },
  15_000,
);

test("GET answers 500 when nothing listens at the upstream's address", async () => {
  const nowhere = await startFunction({
    env: { SUPABASE_URL: "http://127.0.0.1:9", SUPABASE_ANON_KEY: KEY },
  });
  try {
    assert.equal((await poll(nowhere.url, TOKEN)).status, 500);
  } finally {
    await nowhere.stop();
  }
});

// Last: everything above has been logged by now.
test("the log holds no token, no key and no header", () => {
  const written = fn.output.join("\n");
  assert(fn.output.length > 5, "the failures above were logged");
  assert.equal(written.includes(KEY), false);
  for (const part of TOKEN.split(".")) assert.equal(written.includes(part), false);
  assert.doesNotMatch(written, /"authorization|bearer|apikey/i);
  for (const line of fn.output.filter((line) => !line.startsWith("Listening on"))) JSON.parse(line);
});
