/** Tenant isolation: through the function, and through REST directly. */

import assert from "node:assert/strict";
import { poll, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";
import { parseSyncStatus } from "../support/published_contract.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const data = await project.addTestData();
const { harbour, lakeside, freshStart } = data;
const importing = await project.signIn(data.importing);
const finished = await project.signIn(data.finished);
const fresh = await project.signIn(data.fresh);
const nobody = await project.signIn(data.nobody);

/** Sends a request to REST directly, as a browser's console can. */
async function rest(path: string, token: string | undefined, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers({ "apikey": project.publishableKey, "Content-Type": "application/json" });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  return await fetch(`${project.url}/rest/v1/${path}`, { ...init, headers });
}

test("REST shows a user the jobs of their own agency, whichever agency is asked for", async () => {
  for (const path of ["historical_sync_jobs?agency_id=eq.", "rpc/get_active_sync_job?p_agency_id="]) {
    assert.notDeepEqual(await (await rest(path + harbour, importing)).json(), [], path);
    assert.deepEqual(await (await rest(path + harbour, finished)).json(), [], path);
  }
});

test("REST shows no job to a user without an agency, or without a sign-in", async () => {
  for (const token of [nobody, undefined]) {
    for (const path of ["historical_sync_jobs", "rpc/get_active_sync_job"]) {
      const response = await rest(path, token);
      const text = await response.text();
      assert(text === "[]" || (!token && response.status >= 400), `${path}: ${text}`);
    }
  }
});

test("REST lets no user join another agency, or insert, update or delete a job", async () => {
  const read = () =>
    project.sql(`select users.agency_id, jobs.* from public.users, public.historical_sync_jobs as jobs
                 where users.id = '${data.importing.id}' and jobs.agency_id = '${harbour}' order by jobs.id`);
  const before = await read();
  assert.equal(before.length, 2);
  const period = { date_from: "2025-01-01", date_to: "2025-01-02" };
  const attempts: [string, string, unknown?][] = [
    ["PATCH", `users?id=eq.${data.importing.id}`, { agency_id: lakeside }],
    ["POST", "historical_sync_jobs", { agency_id: harbour, status: "completed", ...period }],
    ["PATCH", `historical_sync_jobs?agency_id=eq.${harbour}`, { processed_calls: 1 }],
    ["DELETE", `historical_sync_jobs?agency_id=eq.${harbour}`],
  ];
  for (const [method, path, body] of attempts) {
    await (await rest(path, importing, { method, body: JSON.stringify(body) })).text();
  }
  assert.deepEqual(await read(), before);
});

/** A user, and the agencies in which they may be right now: two while a move is under way. Null is none. */
interface Caller {
  id: string;
  token: string;
  agencies: (string | null)[];
}

test("GET gives each caller their own agency's job while jobs and agencies change", async () => {
  const ann: Caller = { id: data.importing.id, token: importing, agencies: [harbour] };
  const ben: Caller = { id: data.finished.id, token: finished, agencies: [lakeside] };
  const cleo: Caller = { id: data.fresh.id, token: fresh, agencies: [freshStart] };
  const dan: Caller = { id: data.nobody.id, token: nobody, agencies: [null] };
  const shown: { job: string; agencies: (string | null)[] }[] = [];
  const seen = { active: 0, recent: 0, none: 0, forbidden: 0 };

  const start = (agency: string) => () =>
    project.sql(`insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
                 values ('${agency}', 'in_progress', '2025-01-01', '2025-03-01')`);
  const end = (agency: string) => () =>
    project.sql(`update public.historical_sync_jobs set status = 'failed'
                 where agency_id = '${agency}' and status = 'in_progress'`);
  const move = (caller: Caller, agency: string | null) => async () => {
    caller.agencies.push(agency);
    await project.putIntoAgency(caller.id, agency);
    caller.agencies = [agency];
  };
  const STEPS = [
    end(harbour),
    start(lakeside),
    move(ann, lakeside),
    move(dan, harbour),
    move(ben, null),
    start(harbour),
    move(cleo, harbour),
    end(lakeside),
    move(dan, freshStart),
    move(ann, null),
  ];

  async function pollAs({ token, agencies }: Caller): Promise<void> {
    const { status, text, body } = await poll(project.functionUrl, token);
    // A move between two reads of one poll may give a 500, and so may a slow machine.
    if (status === 500) return;
    if (status === 403 && agencies.includes(null)) return void seen.forbidden++;
    assert.equal(status, 200, text);
    const answer = parseSyncStatus(body);
    const job = answer.active ? answer.job : answer.recent_job;
    if (!job) return void seen.none++;
    shown.push({ job: job.id, agencies });
    seen[answer.active ? "active" : "recent"]++;
  }

  const pollAsAll = () => Promise.all([ann, ben, cleo, dan].map(pollAs));
  for (const step of STEPS) {
    await Promise.all([step(), pollAsAll()]);
    // From the first poll after a move on, it is the new agency.
    await pollAsAll();
  }
  const ours = `agency_id in ('${harbour}', '${lakeside}', '${freshStart}')`;
  const jobs = await project.sql(`select id, agency_id from public.historical_sync_jobs where ${ours}`);
  const owners = new Map(jobs.map(({ id, agency_id }) => [id, String(agency_id)]));
  for (const { job, agencies } of shown) assert(agencies.includes(owners.get(job) ?? "another's"), job);
  for (const [what, count] of Object.entries(seen)) assert(count >= 3, `${count} answers were ${what}`);
});
