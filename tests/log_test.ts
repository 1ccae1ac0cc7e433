/** What the function logs, beside the fault matrix of faults_test.ts. */

import assert from "node:assert/strict";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import {
  answer,
  authError,
  KEY,
  postgrestError,
  type Responder,
  rows,
  startFunctionOnFake,
  TOKEN,
} from "../local/fake_upstream.ts";
import { loggedFor, poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

/** The line that a poll logs if one upstream request is answered so. */
async function lineFor(step: Step, responder: Responder) {
  upstream.reset({ [step]: responder });
  return await loggedFor((await poll(fn.url, TOKEN)).headers, fn.output);
}

test("the log names the step, the upstream's status and code, the duration and the request", async () => {
  upstream.reset({ get_active_sync_job: postgrestError(404, "PGRST202") });
  const { text, headers } = await poll(fn.url, TOKEN);
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

test("the log has no code that is none: it may quote a token, a key or a row", async () => {
  for (const code of [`Bearer ${TOKEN}`, `apikey ${KEY}`, { row: "a@example.com" }, 500, "x".repeat(65)]) {
    for (const step of ["auth.getUser", "users"] as const) {
      const line = await lineFor(
        step,
        answer(400, JSON.stringify({ code, error_code: code, message: TOKEN })),
      );
      assert.deepEqual([line.upstream_status, line.upstream_code], [400, undefined]);
      for (const part of [KEY, ...TOKEN.split(".")]) assert.equal(JSON.stringify(line).includes(part), false);
    }
  }
});

test("the log has Auth's status, also of an answer that is not JSON, and its code", async () => {
  for (const status of [301, 401, 403, 429, 503, 505]) {
    const line = await lineFor("auth.getUser", answer(status, "<html>", { "Content-Type": "text/html" }));
    assert.equal(line.upstream_status, status);
  }
  const line = await lineFor("auth.getUser", authError(429, "over_request_rate_limit"));
  assert.deepEqual([line.upstream_status, line.upstream_code], [429, "over_request_rate_limit"]);
});

test("the log has the time that the poll took, in milliseconds", async () => {
  const late: Responder = (response) => void setTimeout(() => response.writeHead(503).end(), 300);
  // A timer may be a little early.
  assert(Number((await lineFor("users", late)).duration_ms) >= 290);
});

test("the log has nothing but 500s", async () => {
  upstream.reset();
  const before = fn.output.length;
  await poll(fn.url, TOKEN);
  await poll(fn.url);
  await poll(fn.url, TOKEN, { method: "POST" });
  await poll(fn.url, TOKEN, { method: "OPTIONS" });
  upstream.reset({ "auth.getUser": authError(403, "bad_jwt") });
  await poll(fn.url, TOKEN);
  upstream.reset({ users: rows() });
  await poll(fn.url, TOKEN);
  await lineFor("users", answer(503, ""));
  assert.equal(fn.output.length, before + 1);
});
