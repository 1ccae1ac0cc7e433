import assert from "node:assert/strict";
import type { SyncStatus } from "../../examples/client/types.ts";
import { ACTIVE_EXAMPLE, IDLE_EXAMPLE, poll, test } from "../support/helpers.ts";
import { parseSyncStatus } from "../support/published_contract.ts";
import { startProject } from "../support/project.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const { importing, finished, fresh, nobody } = await project.addTestData();

const ask = (user?: { token: string }, init?: RequestInit) => poll(project.functionUrl, user?.token, init);

/** What a user is answered if their agency had one job more. */
async function askWithJob(user: typeof fresh, status: string, createdAt = "now"): Promise<SyncStatus> {
  const [job] = await project.sql(
    `insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, created_at)
     values ('${user.agency}', '${status}', '2025-01-01', '2025-02-01', '${createdAt}') returning id`,
  );
  try {
    return parseSyncStatus((await ask(user)).body);
  } finally {
    await project.sql(`delete from public.historical_sync_jobs where id = '${job?.id}'`);
  }
}

/** As the specification prints it. */
const print = (text: string) =>
  JSON.stringify(JSON.parse(text), null, 2).replace(/"id": "[0-9a-f-]{36}"/, '"id": "uuid"');

test("GET answers the spec's examples for an active job, a finished one and none, byte for byte", async () => {
  assert.equal(print((await ask(importing)).text), ACTIVE_EXAMPLE);
  assert.equal(print((await ask(finished)).text), IDLE_EXAMPLE);
  assert.equal((await ask(fresh)).text, '{"active":false,"recent_job":null}');
});

test("a failed or cancelled job is returned if no active job exists", async () => {
  for (const status of ["failed", "cancelled"]) {
    const answer = await askWithJob(fresh, status);
    assert(!answer.active);
    assert.equal(answer.recent_job?.status, status);
  }
});

test("the most recent job is the one with the latest created_at", async () => {
  const answer = await askWithJob(finished, "failed", "2025-03-14T09:59:59Z");
  assert(!answer.active);
  assert.equal(answer.recent_job?.created_at, "2025-03-14T10:00:00Z");
});

test("a new pending job is the active job; progress_percent is null if total_calls is unknown", async () => {
  const answer = await askWithJob(finished, "pending");
  assert(answer.active);
  const { status, total_calls, progress_percent } = answer.job;
  assert.deepEqual([status, total_calls, progress_percent], ["pending", null, null]);
});

test("GET answers 403 if the authenticated user is not associated with an agency", async () => {
  const { status, text } = await ask(nobody);
  assert.equal(status, 403);
  assert.equal(text, '{"error":"Your user account is not associated with an agency.","code":"forbidden"}');
});

test("OPTIONS answers 204 for a day, and allows supabase-js's headers and any other", async () => {
  const { status, headers } = await ask(undefined, { method: "OPTIONS" });
  assert.equal(status, 204);
  assert.equal(headers.get("Access-Control-Max-Age"), "86400");
  const allowed = headers.get("Access-Control-Allow-Headers")?.split(", ") ?? [];
  for (const name of ["authorization", "apikey", "x-client-info", "content-type", "*"]) {
    assert(allowed.includes(name), name);
  }
});

test("GET and OPTIONS are the only methods, whatever the token; HEAD gets no body", async () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"]) {
    for (const user of [undefined, { token: "nonsense" }, importing]) {
      const { status, headers } = await ask(user, { method });
      assert.deepEqual([status, headers.get("Allow")], [405, "GET, OPTIONS"], method);
    }
  }
  const headers = { apikey: project.publishableKey };
  const head = await fetch(project.functionUrl, { method: "HEAD", headers });
  assert.deepEqual([head.status, head.headers.get("Allow")], [405, "GET, OPTIONS"]);
  assert.equal(await head.text(), "");
});
