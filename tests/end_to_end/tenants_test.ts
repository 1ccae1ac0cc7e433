/** Tenant isolation: through the function, and through REST directly. */

import assert from "node:assert/strict";
import { poll, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";
import { parseSyncStatus } from "../support/published_contract.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const { importing, finished, fresh, nobody } = await project.addTestData();
const [harbour, lakeside, freshStart] = [importing.agency, finished.agency, fresh.agency];

/** Sends a request to REST directly, as a browser's console can. */
async function rest(path: string, token?: string, init: RequestInit = {}) {
  const headers = new Headers({ "apikey": project.publishableKey, "Content-Type": "application/json" });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const response = await fetch(`${project.url}/rest/v1/${path}`, { ...init, headers });
  return { status: response.status, text: await response.text() };
}

test("REST shows a user the jobs of their own agency, whichever agency is asked for", async () => {
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
  const read = () =>
    project.sql(`select users.agency_id, jobs.* from public.users, public.historical_sync_jobs as jobs
                 where users.id = '${importing.id}' and jobs.agency_id = '${harbour}' order by jobs.id`);
  const before = await read();
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
  assert.deepEqual(await read(), before);
});

test("GET gives each caller their own agency's job while jobs and agencies change", async () => {
  /** A user, and the agencies in which they may be right now: two while a move is under way. Null is none. */
  type Caller = { id: string; token: string; agencies: (string | null)[] };
  const ann: Caller = { ...importing, agencies: [harbour] };
  const ben: Caller = { ...finished, agencies: [lakeside] };
  const cleo: Caller = { ...fresh, agencies: [freshStart] };
  const dan: Caller = { ...nobody, agencies: [null] };
  const shown: { id: string; agencies: (string | null)[] }[] = [];
  const answers = new Set<string>();

  async function pollAs({ token, agencies }: Caller): Promise<void> {
    const { status, text, body } = await poll(project.functionUrl, token);
    // A move between two reads of one poll may give a 500, and so may a slow machine.
    if (status === 500) return;
    if (agencies.includes(null) && status === 403) {
      answers.add("forbidden");
      return;
    }
    assert.equal(status, 200, text);
    const answer = parseSyncStatus(body);
    const job = answer.active ? answer.job : answer.recent_job;
    if (job) shown.push({ id: job.id, agencies });
    answers.add(job?.status ?? "no job");
  }
  const pollAsAll = () => Promise.all([ann, ben, cleo, dan].map(pollAs));
  async function pollDuring(change: Promise<unknown>): Promise<void> {
    await Promise.all([change, pollAsAll()]);
    // From the first poll after a move on, it is the new agency.
    await pollAsAll();
  }

  const start = (agency: string) =>
    project.sql(`insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
                 values ('${agency}', 'in_progress', '2025-01-01', '2025-03-01')`);
  const end = (agency: string) =>
    project.sql(`update public.historical_sync_jobs set status = 'failed'
                 where agency_id = '${agency}' and status = 'in_progress'`);
  async function move(caller: Caller, agency: string | null): Promise<void> {
    caller.agencies.push(agency);
    await project.putIntoAgency(caller.id, agency);
    caller.agencies = [agency];
  }

  await pollDuring(end(harbour));
  await pollDuring(start(lakeside));
  await pollDuring(move(ann, lakeside));
  await pollDuring(move(dan, harbour));
  await pollDuring(move(ben, null));
  await pollDuring(start(harbour));
  await pollDuring(move(cleo, harbour));
  await pollDuring(end(lakeside));
  await pollDuring(move(dan, freshStart));
  await pollDuring(move(ann, null));

  const jobs = await project.sql("select id, agency_id from public.historical_sync_jobs");
  const owners = new Map(jobs.map(({ id, agency_id }) => [id, String(agency_id)]));
  for (const { id, agencies } of shown) assert(agencies.includes(owners.get(id) ?? "unknown"), id);
  for (const answer of ["in_progress", "completed", "failed", "no job", "forbidden"]) {
    assert(answers.has(answer), answer);
  }
}, 180_000);
