/** Each sentence of the specification, end to end. */

import assert from "node:assert/strict";
import { ACTIVE_EXAMPLE, IDLE_EXAMPLE, poll, test } from "../support/helpers.ts";
import { parseSyncStatus } from "../support/published_contract.ts";
import { startProject } from "../support/project.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const data = await project.addTestData();
const [harbour, lakeside, freshStart] = [data.importing.agency, data.finished.agency, data.fresh.agency];
const importing = await project.signIn(data.importing);
const finished = await project.signIn(data.finished);
const fresh = await project.signIn(data.fresh);
const nobody = await project.signIn(data.nobody);

const ask = (token?: string, init?: RequestInit) => poll(project.functionUrl, token, init);

/** Changes the jobs, runs the assertions, then restores them. */
async function withJobs(change: string, assertions: () => Promise<void>): Promise<void> {
  const ours = `agency_id in ('${harbour}', '${lakeside}', '${freshStart}')`;
  await project.sql(`create temporary table jobs_before as
                     select * from public.historical_sync_jobs where ${ours}`);
  try {
    await project.sql(change);
    await assertions();
  } finally {
    await project.sql(`delete from public.historical_sync_jobs where ${ours}`);
    await project.sql("insert into public.historical_sync_jobs table jobs_before");
    await project.sql("drop table jobs_before");
  }
}

const insertJobs = (agency: string, columns: string, values: string) =>
  `insert into public.historical_sync_jobs (agency_id, date_from, date_to, ${columns})
   select '${agency}', '2025-01-01', '2025-02-01', ${values}`;

/** The answer as the specification prints it. */
const print = (text: string) =>
  JSON.stringify(JSON.parse(text), null, 2).replace(/"id": "[0-9a-f-]{36}"/, '"id": "uuid"');

test("GET answers the spec's examples for an active and a finished job, byte for byte", async () => {
  assert.equal(print((await ask(importing)).text), ACTIVE_EXAMPLE);
  assert.equal(print((await ask(finished)).text), IDLE_EXAMPLE);
});

test("recent_job is null if no jobs have ever been created for the agency", async () => {
  assert.equal((await ask(fresh)).text, '{"active":false,"recent_job":null}');
});

for (const status of ["completed", "failed", "cancelled"]) {
  test(`a job that was ${status} is returned if no active job exists`, () =>
    withJobs(insertJobs(freshStart, "status", `'${status}'`), async () => {
      assert((await ask(fresh)).text.startsWith('{"active":false,"recent_job":{'));
    }));
}

test("the most recent job is the one with the latest created_at, not the latest inserted", () =>
  withJobs(insertJobs(lakeside, "status, created_at", "'failed', '2025-03-14T09:59:59Z'"), async () => {
    assert((await ask(finished)).text.includes('"created_at":"2025-03-14T10:00:00Z"'));
  }));

test("a new pending job is the active job; progress_percent is null if total_calls is unknown", () =>
  withJobs(insertJobs(lakeside, "status", "'pending'"), async () => {
    const status = parseSyncStatus((await ask(finished)).body);
    assert(status.active);
    assert.equal(status.job.status, "pending");
    assert.equal(status.job.total_calls, null);
    assert.equal(status.job.progress_percent, null);
  }));

test("GET answers 403 if the authenticated user is not associated with an agency", async () => {
  const { status, text } = await ask(nobody);
  assert.equal(status, 403);
  assert.equal(text, '{"error":"Your user account is not associated with an agency.","code":"forbidden"}');
});

test("OPTIONS answers 204 without a body, for a day, and allows supabase-js's headers and any other", async () => {
  const { status, headers } = await ask(undefined, { method: "OPTIONS" });
  assert.equal(status, 204);
  assert.equal(headers.get("Access-Control-Max-Age"), "86400");
  const allowed = headers.get("Access-Control-Allow-Headers")?.split(", ") ?? [];
  for (const name of ["authorization", "apikey", "x-client-info", "content-type", "*"]) {
    assert(allowed.includes(name), name);
  }
});

for (const method of ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"]) {
  test(`${method} is answered with 405, whatever the token`, async () => {
    for (const token of [undefined, "nonsense", importing]) {
      const { status, headers } = await ask(token, { method });
      assert.deepEqual([status, headers.get("Allow")], [405, "GET, OPTIONS"]);
    }
  });
}

test("HEAD is answered with 405, the headers and no body", async () => {
  const headers = { "apikey": project.publishableKey };
  const response = await fetch(project.functionUrl, { method: "HEAD", headers });
  assert.deepEqual([response.status, response.headers.get("Allow")], [405, "GET, OPTIONS"]);
  assert.equal(await response.text(), "");
});
