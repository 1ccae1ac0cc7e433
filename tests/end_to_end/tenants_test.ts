import assert from "node:assert/strict";
import { poll, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";
import { parseSyncStatus } from "../support/published_contract.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const { importing, finished, fresh, nobody } = await project.addTestData();
const harbour = importing.agency;
const lakeside = finished.agency;

/** Asks REST directly, as a browser's console can. */
async function rest(path: string, token?: string, init: RequestInit = {}) {
  const headers = new Headers({ "apikey": project.publishableKey, "Content-Type": "application/json" });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const response = await fetch(`${project.url}/rest/v1/${path}`, { ...init, headers });
  return { status: response.status, text: await response.text() };
}

test("REST shows a user only the jobs of their own agency", async () => {
  for (const path of ["historical_sync_jobs?agency_id=eq.", "rpc/get_active_sync_job?p_agency_id="]) {
    assert.match((await rest(path + harbour, importing.token)).text, /in_progress/, path);
    assert.equal((await rest(path + harbour, finished.token)).text, "[]", path);
  }
});

test("REST shows no job to a user without an agency, or without a sign-in", async () => {
  for (const path of ["historical_sync_jobs", "rpc/get_active_sync_job"]) {
    assert.equal((await rest(path, nobody.token)).text, "[]", path);
    const { status, text } = await rest(path);
    assert(text === "[]" || status >= 400, `${path}: ${text}`);
  }
});

test("REST lets no user join another agency, or insert, update or delete a job", async () => {
  const agencyAndJobs = `
    select users.agency_id as works_for, jobs.* from public.users, public.historical_sync_jobs as jobs
    where  users.id = '${importing.id}' and jobs.agency_id = '${harbour}' order by jobs.id`;
  const before = await project.sql(agencyAndJobs);
  assert.equal(before.length, 2);
  const period = { date_from: "2025-01-01", date_to: "2025-01-02" };
  const attempts: [string, string, unknown?][] = [
    ["PATCH", `users?id=eq.${importing.id}`, { agency_id: lakeside }],
    ["POST", "historical_sync_jobs", { agency_id: harbour, status: "completed", ...period }],
    ["PATCH", `historical_sync_jobs?agency_id=eq.${harbour}`, { processed_calls: 1 }],
    ["DELETE", `historical_sync_jobs?agency_id=eq.${harbour}`],
  ];
  for (const [method, path, body] of attempts) {
    await rest(path, importing.token, { method, body: JSON.stringify(body) });
  }
  assert.deepEqual(await project.sql(agencyAndJobs), before);
});

/** Polls as every user at once, twice each: gives the agencies of the jobs, null for no job, or the status. */
async function pollAsAll() {
  const jobs = await project.sql("select id, agency_id from public.historical_sync_jobs");
  const agencyOf = new Map(jobs.map((job) => [job.id, job.agency_id]));
  async function pollAs({ token }: { token: string }) {
    const { status, body } = await poll(project.functionUrl, token);
    if (status !== 200) return status;
    const answer = parseSyncStatus(body);
    const job = answer.active ? answer.job : answer.recent_job;
    return job && agencyOf.get(job.id);
  }
  const everybody = [importing, finished, fresh, nobody];
  return await Promise.all([...everybody, ...everybody].map(pollAs));
}

test("GET gives each caller their own agency's job, after a move the new agency's", async () => {
  assert.deepEqual(await pollAsAll(), [harbour, lakeside, null, 403, harbour, lakeside, null, 403]);
  await project.putIntoAgency(importing.id, lakeside);
  await project.putIntoAgency(finished.id, null);
  await project.putIntoAgency(nobody.id, harbour);
  assert.deepEqual(await pollAsAll(), [lakeside, 403, null, harbour, lakeside, 403, null, harbour]);
});
