/** The examples of README, end to end. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { createClient } from "@supabase/supabase-js";
import * as byFetch from "../../examples/call/fetch.ts";
import * as bySupabaseJs from "../../examples/call/supabase_js.ts";
import { showSyncStatus } from "../../examples/call/watch.ts";
import type { SyncStatus } from "../../examples/client/types.ts";
import { pathOf } from "../../local/commands.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { test } from "../../testing/helpers.ts";

const stack = await startStack();
Deno.test.afterAll(() => stack.stop());

async function signedIn(email: string) {
  const supabase = createClient(stack.url, PUBLISHABLE_KEY, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  await supabase.auth.signInWithPassword({ email, password: DEMO_PASSWORD });
  return supabase;
}

const NEVER: SyncStatus = { active: false, recent_job: null };

test("the example with supabase-js gives the status, and the stable code of an error", async () => {
  assert.deepEqual(await bySupabaseJs.syncStatus(await signedIn("new@example.com")), NEVER);
  await assert.rejects(bySupabaseJs.syncStatus(await signedIn("nobody@example.com")), {
    message: "forbidden",
  });
});

test("the example with supabase-js works where a region is asked for", async () => {
  const supabase = await signedIn("new@example.com");
  const { data } = await supabase.functions.invoke("get-sync-status", {
    method: "GET",
    region: "eu-west-1" as never,
  });
  assert.deepEqual(data, NEVER);
});

test("the example with fetch gives the status, and the stable code of an error", async () => {
  const ask = (token: string) => byFetch.syncStatus(stack.url, PUBLISHABLE_KEY, token);
  assert.deepEqual(await ask(await stack.signIn("new@example.com")), NEVER);
  await assert.rejects(ask(await stack.signIn("nobody@example.com")), { message: "forbidden" });
  await assert.rejects(ask("nonsense"), { message: "unauthorized" });
});

test("the example with the client shows the status and explains a problem, until it is aborted", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const fresh = await signedIn("new@example.com");
  const status = await new Promise((resolve, reject) =>
    showSyncStatus(fresh, stack.url, resolve, reject, signal)
  );
  assert.deepEqual(status, NEVER);
  controller.abort();
  const nobody = await signedIn("nobody@example.com");
  const problem = await new Promise((resolve, reject) =>
    showSyncStatus(nobody, stack.url, reject, resolve, new AbortController().signal)
  );
  assert.deepEqual(problem, { kind: "forbidden" });
});

if (Deno.build.os !== "windows") {
  test("the example with curl prints the status and its headers", async () => {
    const { stdout } = await promisify(execFile)("sh", [
      pathOf("../../examples/call/curl.sh", import.meta.url),
    ], {
      env: {
        ...Deno.env.toObject(),
        SUPABASE_URL: stack.url,
        PUBLISHABLE_KEY,
        ACCESS_TOKEN: await stack.signIn("new@example.com"),
      },
    });
    assert.match(stdout, /^HTTP\/1\.1 200 OK/);
    assert.match(stdout, /\{"active":false,"recent_job":null\}$/);
  });
}
