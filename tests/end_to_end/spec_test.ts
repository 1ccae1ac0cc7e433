/** Each sentence of the specification, end to end. */

import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import { createClient } from "@supabase/supabase-js";
import { ACTIVE_EXAMPLE, IDLE_EXAMPLE, jobId, keepsContract, poll, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const scene = await project.addScene();
const { harbour, lakeside, freshStart } = scene;
const importing = await project.signIn(scene.importing);
const finished = await project.signIn(scene.finished);
const fresh = await project.signIn(scene.fresh);
const nobody = await project.signIn(scene.nobody);

const ask = (token?: string, init?: RequestInit) => poll(project.functionUrl, token, init);

/** Changes the database, runs the assertions, then restores the jobs. */
async function withJobs(change: string, assertions: () => Promise<void>): Promise<void> {
  const ours = `agency_id in ('${harbour}', '${lakeside}', '${freshStart}')`;
  await project.sql(
    `create temporary table jobs_before as select * from public.historical_sync_jobs where ${ours}`,
  );
  try {
    await project.sql(change);
    await assertions();
  } finally {
    await project.sql(`delete from public.historical_sync_jobs where ${ours}`);
    await project.sql("insert into public.historical_sync_jobs table jobs_before");
    await project.sql("drop table jobs_before");
  }
}

const updateActive = (set: string) =>
  `update public.historical_sync_jobs set ${set} where agency_id = '${harbour}' and status = 'in_progress'`;

async function activeJob(): Promise<Record<string, unknown>> {
  const { body } = await ask(importing);
  return (body as { job: Record<string, unknown> }).job;
}

test("GET answers the spec's first example for an active job, byte for byte", async () => {
  const { status, text } = await ask(importing);
  assert.equal(status, 200);
  const shown = JSON.stringify(JSON.parse(text), null, 2);
  assert.equal(shown.replace(/"id": "[0-9a-f-]{36}"/, '"id": "uuid"'), ACTIVE_EXAMPLE);
  assert.equal(text, JSON.stringify(JSON.parse(text)), "the body is compact JSON");
});

test("GET answers the spec's second example where no job is active, byte for byte", async () => {
  const { status, text } = await ask(finished);
  assert.equal(status, 200);
  const shown = JSON.stringify(JSON.parse(text), null, 2);
  assert.equal(shown.replace(/"id": "[0-9a-f-]{36}"/, '"id": "uuid"'), IDLE_EXAMPLE);
});

test("recent_job is null if no jobs have ever been created for the agency", async () => {
  const { status, text } = await ask(fresh);
  assert.equal(status, 200);
  assert.equal(text, '{"active":false,"recent_job":null}');
});

test("a pending job is an active job", () =>
  withJobs(updateActive("status = 'pending', started_at = null, last_activity_at = null"), async () => {
    const job = await activeJob();
    assert.equal(job.status, "pending");
    assert.equal(job.started_at, null);
    assert.equal(job.last_activity_at, null);
  }));

for (
  const [processed, total, percent] of [[0, 3, 0], [1, 3, 33], [2, 3, 67], [1, 200, 1], [3, 3, 100], [
    5,
    4,
    125,
  ]]
) {
  test(`progress_percent is Math.round((${processed} / ${total}) * 100), that is ${percent}`, () =>
    withJobs(updateActive(`processed_calls = ${processed}, total_calls = ${total}`), async () => {
      assert.equal((await activeJob()).progress_percent, percent);
    }));
}

test("progress_percent is null if total_calls is unknown", () =>
  withJobs(updateActive("total_calls = null"), async () => {
    const job = await activeJob();
    assert.equal(job.progress_percent, null);
    assert.equal(job.total_calls, null);
  }));

test("progress_percent is null if total_calls is 0", () =>
  withJobs(updateActive("total_calls = 0, processed_calls = 0"), async () => {
    assert.equal((await activeJob()).progress_percent, null);
  }));

test("a timestamp keeps its fraction of a second, in UTC", () =>
  withJobs(updateActive("last_activity_at = '2025-03-15T12:05:00.123456+02:00'"), async () => {
    assert.equal((await activeJob()).last_activity_at, "2025-03-15T10:05:00.123456Z");
  }));

for (const status of ["completed", "failed", "cancelled"]) {
  test(`a job that was ${status} is returned if no active job exists`, () =>
    withJobs(
      `insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
       values ('${freshStart}', '${status}', '2025-01-01', '2025-02-01')`,
      async () => {
        const { body } = await ask(fresh);
        assert.equal((body as { recent_job: { status: string } }).recent_job.status, status);
      },
    ));
}

test("the most recent job is the one with the latest created_at, not the latest inserted", () =>
  withJobs(
    `insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, created_at)
     values ('${lakeside}', 'failed', '2025-01-01', '2025-02-01', '2025-03-14T09:59:59Z')`,
    async () => {
      const { body } = await ask(finished);
      assert.equal(
        (body as { recent_job: { created_at: string } }).recent_job.created_at,
        "2025-03-14T10:00:00Z",
      );
    },
  ));

test("GET answers with the same job each time where created_at ties", () =>
  withJobs(
    `insert into public.historical_sync_jobs (id, agency_id, status, date_from, date_to, created_at)
     select ('c0000000-0000-4000-8000-00000000000' || i)::uuid, '${freshStart}', 'completed', '2025-01-01', '2025-02-01', '2025-03-01'
     from   unnest(array[2, 9, 4]) as i`,
    async () => {
      for (let i = 0; i < 3; i++) {
        assert.equal(jobId(await ask(fresh)), "c0000000-0000-4000-8000-000000000009");
      }
    },
  ));

test("GET answers with a new active job instead of a finished one", () =>
  withJobs(
    `insert into public.historical_sync_jobs (agency_id, date_from, date_to) values ('${lakeside}', '2025-01-01', '2025-02-01')`,
    async () => {
      const { body } = await ask(finished);
      assert.equal((body as { active: boolean }).active, true);
    },
  ));

test("GET answers 403 if the authenticated user is not associated with an agency", async () => {
  const { status, text } = await ask(nobody);
  assert.equal(status, 403);
  assert.equal(text, '{"error":"Your user account is not associated with an agency.","code":"forbidden"}');
});

test("GET answers 403 if the authenticated user has no row in users", async () => {
  await project.sql("delete from public.users where id = $1", [scene.nobody.id]);
  try {
    assert.equal((await ask(nobody)).status, 403);
  } finally {
    await project.putIntoAgency(scene.nobody.id, null);
  }
});

test("OPTIONS answers 204 with no body and a day of Access-Control-Max-Age", async () => {
  const { status, headers } = await ask(undefined, { method: "OPTIONS" });
  assert.equal(status, 204);
  assert.equal(headers.get("Access-Control-Max-Age"), "86400");
});

test("OPTIONS allows every header that supabase-js sends", async () => {
  const { headers } = await ask(undefined, { method: "OPTIONS" });
  const allowed = (headers.get("Access-Control-Allow-Headers") ?? "").split(", ");
  for (const name of ["authorization", "apikey", "x-client-info", "content-type", "x-region"]) {
    assert(allowed.includes(name), name);
  }
});

for (const method of ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"]) {
  test(`${method} is answered with 405, whatever the token`, async () => {
    for (const token of [undefined, "nonsense", importing]) {
      const { status, headers } = await ask(token, { method });
      assert.equal(status, 405);
      assert.equal(headers.get("Allow"), "GET, OPTIONS");
    }
  });
}

test("HEAD is answered with 405, the headers and no body", async () => {
  const response = await fetch(project.functionUrl, {
    method: "HEAD",
    headers: { "apikey": project.publishableKey },
  });
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("Allow"), "GET, OPTIONS");
  assert.equal(response.headers.get("Access-Control-Allow-Origin"), "*");
  assert.equal(await response.text(), "");
});

test("GET ignores a query string", async () => {
  const plain = await ask(finished);
  const other = await poll(
    `${project.functionUrl}?agency_id=${harbour}&p_agency_id=${harbour}&select=*`,
    finished,
  );
  assert.equal(other.text, plain.text);
});

test("GET ignores a body", async () => {
  // fetch sends no body with GET; node's client does.
  const { protocol } = new URL(project.functionUrl);
  const { request } = await import(protocol === "https:" ? "node:https" : "node:http");
  const text = await new Promise<string>((resolve, reject) => {
    const headers = {
      "apikey": project.publishableKey,
      "Authorization": `Bearer ${fresh}`,
      "Content-Type": "application/json",
    };
    request(project.functionUrl, { method: "GET", headers }, async (response: Readable) => {
      resolve(await Array.fromAsync(response, String).then((parts) => parts.join("")));
    }).once("error", reject).end(`{"p_agency_id":"${harbour}"}`);
  });
  assert.equal(text, '{"active":false,"recent_job":null}');
});

test("supabase-js reads the status with functions.invoke", async () => {
  const supabase = createClient(project.url, project.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  await supabase.auth.signInWithPassword({ email: scene.finished.email, password: project.password });
  const { data, error } = await supabase.functions.invoke("get-sync-status", { method: "GET" });
  assert.equal(error, null);
  assert.equal(data.recent_job.status, "completed");
});

test("supabase-js without a session gets a 401", async () => {
  const supabase = createClient(project.url, project.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const { error } = await supabase.functions.invoke("get-sync-status", { method: "GET" });
  assert.equal((await keepsContract(error.context)).status, 401);
});
