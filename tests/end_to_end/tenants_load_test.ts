/** Tenant isolation under load: agencies poll concurrently while their jobs change and their users move. */

import assert from "node:assert/strict";
import { poll, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";
import { parseSyncStatus } from "../support/published_contract.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

// The embedded database answers one request at a time, and a hosted project serves other users:
// fewer polls run there.
const [SCENES, POLLS] = project.pollsInFlight < 20 ? [2, 200] : [4, 1_000];

interface Caller {
  id: string;
  token: string;
  /** Every agency that the user has been in, and since when; null is no agency. */
  agencies: { id: string | null; since: number }[];
}

/** The agency of every job of this run. */
const owners = new Map<string, string>();
const callers: Caller[] = [];
const agencies: string[] = [];

async function addJob(agency: string, status: string): Promise<void> {
  const [row] = await project.sql<{ id: string }>(
    `insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, total_calls)
     values ($1, $2, '2025-01-01', '2025-03-01', 1000) returning id`,
    [agency, status],
  );
  owners.set(row?.id ?? "", agency);
}

for (let i = 0; i < SCENES; i++) {
  const { harbour, lakeside, freshStart, importing, finished, fresh } = await project.addScene();
  for (const [person, agency] of [[importing, harbour], [finished, lakeside], [fresh, freshStart]] as const) {
    const token = await project.signIn(person);
    callers.push({ id: person.id, token, agencies: [{ id: agency, since: performance.now() }] });
    agencies.push(agency);
    await project.sql("delete from public.historical_sync_jobs where agency_id = $1", [agency]);
    await addJob(agency, "completed");
  }
}

/** Puts a user into an agency; from before the change until after it, a poll may see either. */
async function move(caller: Caller, agency: string | null): Promise<void> {
  caller.agencies.push({ id: agency, since: performance.now() });
  await project.putIntoAgency(caller.id, agency);
  caller.agencies.push({ id: agency, since: performance.now() });
}

const counts = { active: 0, recent: 0, moved: 0 };

async function pollAs(caller: Caller): Promise<void> {
  const from = performance.now();
  const answer = await poll(project.functionUrl, caller.token);
  const to = performance.now();
  const seen = caller.agencies.filter(({ since }, i) =>
    since <= to && (caller.agencies[i + 1]?.since ?? Infinity) >= from
  );
  const possible = new Set(seen.map(({ id }) => id));
  if (possible.size > 1) {
    // A move between two reads of one poll may give a 500, and never another agency's job.
    counts.moved++;
    if (answer.status === 500 || (answer.status === 403 && possible.has(null))) return;
  }
  assert.equal(answer.status, 200, answer.text);
  const status = parseSyncStatus(answer.body);
  const job = status.active ? status.job : status.recent_job;
  if (!job) return assert(possible.size > 1, "every agency has had a job");
  assert(possible.has(owners.get(job.id) ?? "nobody's"), "the job belongs to the caller");
  counts[status.active ? "active" : "recent"]++;
}

test(
  "GET answers interleaved polls with the caller's own job, while jobs change and users move, and logs no token",
  async (t) => {
    const least = 4 * agencies.length;
    let [polls, turns] = [0, 0];
    const poller = async () => {
      while (polls < POLLS || turns < least) {
        const caller = callers[polls++ % callers.length];
        if (caller) await pollAs(caller);
      }
    };
    const changer = async () => {
      for (; polls < POLLS || turns < least; turns++) {
        const agency = agencies[turns % agencies.length] ?? "";
        await project.sql(
          "update public.historical_sync_jobs set status = 'failed' where agency_id = $1 and status = 'in_progress'",
          [agency],
        );
        // In two of three turns the agency gets a new job.
        if ((turns + Math.floor(turns / agencies.length)) % 3) await addJob(agency, "in_progress");
        const caller = callers[(turns * 5) % callers.length];
        if (caller) await move(caller, agencies[(turns * 11) % agencies.length] ?? null);
        // PGlite is in this process: without a pause, no request would be handled.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await Promise.all([changer(), ...Array.from({ length: Math.min(12, project.pollsInFlight) }, poller)]);
    const { active, recent, moved } = counts;
    await t.step(`${active} active jobs, ${recent} recent jobs and ${moved} moves among the answers`, () => {
      assert(active >= 10 && recent >= 10 && owners.size > 2 * agencies.length);
    });
  },
  180_000,
);
