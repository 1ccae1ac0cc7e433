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

const auth = { persistSession: false, autoRefreshToken: false };

async function signedInAs({ email }: { email: string }) {
  const supabase = createClient(project.url, project.publishableKey, { auth });
  await supabase.auth.signInWithPassword({ email, password: project.password });
  return supabase;
}
const fresh = await signedInAs(people.fresh);
const nobody = await signedInAs(people.nobody);
const NEVER: SyncStatus = { active: false, recent_job: null };

test("supabase_js.ts and fetch.ts give the status, and the stable code of an error", async () => {
  const ask = (token: string) => byFetch.syncStatus(project.url, project.publishableKey, token);
  assert.deepEqual(await bySupabaseJs.syncStatus(fresh), NEVER);
  assert.deepEqual(await ask(people.fresh.token), NEVER);
  await assert.rejects(bySupabaseJs.syncStatus(nobody), { message: "forbidden" });
  await assert.rejects(ask(people.nobody.token), { message: "forbidden" });
  await assert.rejects(ask("nonsense"), { message: "unauthorized" });
});

test("neither takes a gateway's page for a status, nor hides its answer", async () => {
  let status = 200;
  const page = () => new Response("<!doctype html>", { status });
  await using gateway = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, page);
  const url = `http://127.0.0.1:${gateway.addr.port}`;
  const ask = () => bySupabaseJs.syncStatus(createClient(url, "key", { auth }));
  const askByFetch = () => byFetch.syncStatus(url, "key", "token");
  await assert.rejects(ask, { message: "HTTP 200 without a status" });
  await assert.rejects(askByFetch, { message: "HTTP 200 without a status" });
  status = 504;
  await assert.rejects(ask, { name: "FunctionsHttpError" });
  await assert.rejects(askByFetch, { message: "HTTP 504 without a status" });
});

test("supabase_js.ts does not call an outage of Auth unauthorized", async () => {
  const { data: { session } } = await fresh.auth.getSession();
  const getItem = () => JSON.stringify({ ...session, expires_at: 1 });
  const supabase = createClient(project.url, "key", {
    auth: { autoRefreshToken: false, storage: { getItem, setItem: () => {}, removeItem: () => {} } },
    global: { fetch: () => Promise.resolve(new Response("{}", { status: 429 })) },
  });
  await assert.rejects(bySupabaseJs.syncStatus(supabase), { name: "AuthApiError", status: 429 });
});

test("watch.ts reports the status and a problem", async () => {
  const end = new AbortController();
  const outcomeOf = (supabase: typeof fresh, userId: string) =>
    new Promise((resolve) =>
      watch(supabase, project.url, userId, { onStatus: resolve, onError: resolve, signal: end.signal })
    );
  assert.deepEqual(await outcomeOf(fresh, people.fresh.id), NEVER);
  assert.deepEqual(await outcomeOf(nobody, people.nobody.id), { kind: "forbidden" });
  end.abort();
});

if (Deno.build.os === "windows") reportSkipped("curl.sh", "Windows has no sh");
else {
  test("curl.sh prints the status and its headers", async () => {
    const env = {
      ...Deno.env.toObject(),
      SUPABASE_URL: project.url,
      PUBLISHABLE_KEY: project.publishableKey,
      ACCESS_TOKEN: people.fresh.token,
    };
    const script = pathOf("../../examples/call/curl.sh", import.meta.url);
    const { stdout } = await promisify(execFile)("sh", [script], { env });
    assert.match(stdout, /^HTTP\/1\.1 200 OK/);
    assert.match(stdout, /\{"active":false,"recent_job":null\}$/);
  });
}
