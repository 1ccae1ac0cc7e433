/** Tenant isolation: through the function, and through REST directly. */

import assert from "node:assert/strict";
import { poll, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";
import { parseSyncStatus } from "../support/published_contract.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const scene = await project.addScene();
const { harbour, lakeside } = scene;
const importing = await project.signIn(scene.importing);
const finished = await project.signIn(scene.finished);
const nobody = await project.signIn(scene.nobody);

/** Sends a request to REST directly, as a browser's console can. */
async function rest(path: string, token: string | undefined, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers({ "apikey": project.publishableKey, "Content-Type": "application/json" });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  return await fetch(`${project.url}/rest/v1/${path}`, { ...init, headers });
}

test("REST shows a user only the jobs of their own agency", async () => {
  const jobs: { agency_id: string }[] = await (await rest("historical_sync_jobs?select=agency_id", importing))
    .json();
  assert.deepEqual([...new Set(jobs.map((job) => job.agency_id))], [harbour]);
});

test("REST shows nothing for another agency's id", async () => {
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
  const read = async () => [
    await project.sql(`select * from public.historical_sync_jobs where agency_id = '${harbour}' order by id`),
    await project.sql("select agency_id from public.users where id = $1", [scene.importing.id]),
  ];
  const before = await read();
  const period = { date_from: "2025-01-01", date_to: "2025-01-02" };
  const attempts: [string, string, unknown?][] = [
    ["PATCH", `users?id=eq.${scene.importing.id}`, { agency_id: lakeside }],
    ["POST", "historical_sync_jobs", { agency_id: harbour, status: "completed", ...period }],
    ["PATCH", `historical_sync_jobs?agency_id=eq.${harbour}`, { processed_calls: 1 }],
    ["DELETE", `historical_sync_jobs?agency_id=eq.${harbour}`],
  ];
  for (const [method, path, body] of attempts) {
    await (await rest(path, importing, { method, body: JSON.stringify(body) })).text();
  }
  assert.deepEqual(await read(), before);
});

/** A user under load, with every agency that the user has been in, and when; null is no agency. */
interface Caller {
  id: string;
  token: string;
  agencies: { id: string | null; since: number; until: number }[];
}

test("GET gives each caller their own agency's job while jobs change, and from the first poll after a move", async () => {
  const callers: Caller[] = [];
  const agencies: string[] = [];
  /** The agency of every job. */
  const owners = new Map<string, string>();
  const counts = { active: 0, recent: 0, forbidden: 0 };

  async function addJob(agency: string, status: string): Promise<void> {
    const [row] = await project.sql<{ id: string }>(
      `insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, total_calls)
       values ($1, $2, '2025-01-01', '2025-03-01', 1000) returning id`,
      [agency, status],
    );
    owners.set(row?.id ?? "", agency);
  }

  for (let i = 0; i < 2; i++) {
    const { harbour, lakeside, freshStart, importing, finished, fresh, nobody } = await project.addScene();
    for (const agency of [harbour, lakeside, freshStart]) {
      agencies.push(agency);
      await project.sql("delete from public.historical_sync_jobs where agency_id = $1", [agency]);
      await addJob(agency, "completed");
    }
    for (const person of [importing, finished, fresh, nobody]) {
      const id = { [importing.id]: harbour, [finished.id]: lakeside, [fresh.id]: freshStart }[person.id];
      const token = await project.signIn(person);
      callers.push({ id: person.id, token, agencies: [{ id: id ?? null, since: 0, until: Infinity }] });
    }
  }

  /** Puts a user into an agency; from before the change until after it, a poll may see either. */
  async function move(caller: Caller, agency: string | null): Promise<void> {
    const last = caller.agencies.at(-1);
    caller.agencies.push({ id: agency, since: performance.now(), until: Infinity });
    await project.putIntoAgency(caller.id, agency);
    if (last) last.until = performance.now();
  }

  async function pollAs({ token, agencies }: Caller): Promise<void> {
    const from = performance.now();
    const { status, text, body } = await poll(project.functionUrl, token);
    const to = performance.now();
    const seen = agencies.filter(({ since, until }) => since <= to && until >= from);
    const possible = new Set(seen.map(({ id }) => id));
    // A move between two reads of one poll may give a 500, and never another agency's job.
    if (possible.size > 1 && status === 500) return;
    if (status === 403 && possible.has(null)) return void counts.forbidden++;
    assert.equal(status, 200, text);
    const answer = parseSyncStatus(body);
    const job = answer.active ? answer.job : answer.recent_job;
    if (!job) return assert(possible.size > 1, "every agency has had a job");
    assert(possible.has(owners.get(job.id) ?? "nobody's"), "the job belongs to the caller");
    counts[answer.active ? "active" : "recent"]++;
  }

  let [polls, turns, over] = [0, 0, false];
  const poller = async () => {
    while (!over) {
      const caller = callers[polls++ % callers.length];
      if (caller) await pollAs(caller);
    }
  };
  const changer = async () => {
    const isEnough = () => polls >= 100 && Object.values(counts).every((count) => count >= 5);
    for (; !over && turns < 2_000 && (turns < 4 * agencies.length || !isEnough()); turns++) {
      const agency = agencies[turns % agencies.length] ?? "";
      await project.sql(
        "update public.historical_sync_jobs set status = 'failed' where agency_id = $1 and status = 'in_progress'",
        [agency],
      );
      // In two of three turns the agency gets a new job.
      if ((turns + Math.floor(turns / agencies.length)) % 3) await addJob(agency, "in_progress");
      const caller = callers[(turns * 5) % callers.length];
      // After the last agency comes none.
      if (caller) await move(caller, agencies[(turns * 11) % (agencies.length + 1)] ?? null);
      // PGlite is in this process: without a pause, no request would be handled.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    over = true;
  };
  try {
    await Promise.all([changer(), ...Array.from({ length: project.pollsInFlight }, poller)]);
  } finally {
    over = true;
  }
  assert(Object.values(counts).every((count) => count >= 5), JSON.stringify(counts));
});
