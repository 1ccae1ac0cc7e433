/** The files in examples/call that need no React, end to end. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { createClient } from "@supabase/supabase-js";
import * as byFetch from "../../examples/call/fetch.ts";
import * as bySupabaseJs from "../../examples/call/supabase_js.ts";
import { watch } from "../../examples/call/watch.ts";
import type { SyncStatus } from "../../examples/client/types.ts";
import { pathOf } from "../../local/commands.ts";
import { reportSkipped, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const people = await project.addTestData();

async function signedInAs({ email }: { email: string }) {
  const supabase = createClient(project.url, project.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  await supabase.auth.signInWithPassword({ email, password: project.password });
  return supabase;
}
const fresh = await signedInAs(people.fresh);
const nobody = await signedInAs(people.nobody);

const NEVER: SyncStatus = { active: false, recent_job: null };

test("supabase_js.ts gives the status, and the stable code of an error", async () => {
  assert.deepEqual(await bySupabaseJs.syncStatus(fresh), NEVER);
  await assert.rejects(bySupabaseJs.syncStatus(nobody), { message: "forbidden" });
});

test("supabase_js.ts passes on Auth's error in an outage, and does not call it unauthorized", async () => {
  const { data: { session } } = await fresh.auth.getSession();
  const expired = createClient(project.url, project.publishableKey, {
    auth: {
      autoRefreshToken: false,
      storage: {
        getItem: () => JSON.stringify({ ...session, expires_at: 1 }),
        setItem: () => {},
        removeItem: () => {},
      },
    },
    global: { fetch: () => Promise.resolve(new Response("{}", { status: 429 })) },
  });
  await assert.rejects(bySupabaseJs.syncStatus(expired), { name: "AuthApiError", status: 429 });
});

test("fetch.ts gives the status, and the stable code of an error", async () => {
  const ask = (token: string) => byFetch.syncStatus(project.url, project.publishableKey, token);
  assert.deepEqual(await ask(await project.signIn(people.fresh)), NEVER);
  await assert.rejects(ask(await project.signIn(people.nobody)), { message: "forbidden" });
  await assert.rejects(ask("nonsense"), { message: "unauthorized" });
});

test("watch.ts reports the status and a problem, until it is aborted", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const status = await new Promise((resolve, reject) =>
    watch(fresh, project.url, people.fresh.id, { onStatus: resolve, onError: reject, signal })
  );
  assert.deepEqual(status, NEVER);
  controller.abort();
  const problem = await new Promise((resolve, reject) =>
    watch(nobody, project.url, people.nobody.id, {
      onStatus: reject,
      onError: resolve,
      signal: new AbortController().signal,
    })
  );
  assert.deepEqual(problem, { kind: "forbidden" });
});

if (Deno.build.os === "windows") reportSkipped("curl.sh", "Windows has no sh");
else {
  test("curl.sh prints the status and its headers", async () => {
    const env = {
      ...Deno.env.toObject(),
      SUPABASE_URL: project.url,
      PUBLISHABLE_KEY: project.publishableKey,
      ACCESS_TOKEN: await project.signIn(people.fresh),
    };
    const script = pathOf("../../examples/call/curl.sh", import.meta.url);
    const { stdout } = await promisify(execFile)("sh", [script], { env });
    assert.match(stdout, /^HTTP\/1\.1 200 OK/);
    assert.match(stdout, /\{"active":false,"recent_job":null\}$/);
  });
}
