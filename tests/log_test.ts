/** What the function logs, beside the fault matrix of faults_test.ts. */

import assert from "node:assert/strict";
import { answer, authError, KEY, postgrestError, type Reply, rows, TOKEN } from "../local/fake_upstream.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { loggedFor, poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

/** The line that a poll logs if one upstream request is answered so. */
async function lineFor(step: Step, reply: Reply) {
  upstream.reset({ [step]: reply });
  return await loggedFor((await poll(fn.url, TOKEN)).headers, fn.output);
}

test("the log names the step, the reason, the upstream's status and code, and the request", async () => {
  const { duration_ms, request_id, ...line } = await lineFor(
    "get_active_sync_job",
    postgrestError(404, "PGRST202"),
  );
  assert.deepEqual(line, {
    level: "error",
    function: "get-sync-status",
    step: "get_active_sync_job",
    reason: "the answer is an error",
    upstream_status: 404,
    upstream_code: "PGRST202",
  });
  assert.match(`${request_id} ${duration_ms}`, /^[0-9a-f-]{36} \d+$/);
});

test("the log has codes of Auth, PostgREST and PostgreSQL, and none that may quote a token, a key or a row", async () => {
  for (const code of ["PGRST000", "PGRSTX00", "42P01", "57014"]) {
    assert.equal((await lineFor("users", postgrestError(500, code))).upstream_code, code);
  }
  for (
    const code of [
      `Bearer ${TOKEN}`,
      "sb_publishable_x1Y2z3",
      { row: "a@example.com" },
      500,
      "x".repeat(65),
      "abc123DEF456",
    ]
  ) {
    const reply = answer(400, JSON.stringify({ code, error_code: code, message: TOKEN }));
    for (const step of ["auth.getUser", "users"] as const) {
      const line = await lineFor(step, reply);
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

test("the log has nothing but 500s", async () => {
  const before = fn.output.length;
  upstream.reset();
  await poll(fn.url, TOKEN);
  await poll(fn.url);
  await poll(fn.url, TOKEN, { method: "POST" });
  upstream.reset({ users: rows() });
  await poll(fn.url, TOKEN);
  await lineFor("users", answer(503, ""));
  assert.equal(fn.output.length, before + 1);
});
