/** Tenant isolation under load: agencies poll concurrently while their jobs change and their users move. */

import assert from "node:assert/strict";
import { leftOut, poll, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";
import { parseSyncStatus } from "../support/published_contract.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

// The embedded database answers one request at a time, and a hosted project serves other users:
// fewer polls run there.
const [SCENES, POLLS] = project.pollsInFlight < 20 ? [2, 300] : [7, 2_000];
const LIMIT_MS = 180_000;

interface Caller {
  id: string;
  token: string;
  /** Every agency that the user has been in, and since when; null is no agency. */
  agencies: { id: string | null; since: number }[];
}

/** The agency of every job of this run. */
const owner = new Map<string, string>();
const callers: Caller[] = [];

async function addJob(agency: string, status: string): Promise<string> {
  const [row] = await project.sql<{ id: string }>(
    `insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, total_calls)
     values ($1, $2, '2025-01-01', '2025-03-01', 1000) returning id`,
    [agency, status],
  );
  const id = row?.id ?? "";
  owner.set(id, agency);
  return id;
}

for (let i = 0; i < SCENES; i++) {
  const { harbour, lakeside, freshStart, importing, finished, fresh } = await project.addScene();
  const employed = [[importing, harbour], [finished, lakeside], [fresh, freshStart]] as const;
  for (const [person, agency] of employed) {
    const token = await project.signIn(person);
    callers.push({ id: person.id, token, agencies: [{ id: agency, since: performance.now() }] });
    await project.sql("delete from public.historical_sync_jobs where agency_id = $1", [agency]);
    await addJob(agency, "completed");
  }
}
const AGENCIES = callers.map(({ agencies }) => agencies[0]?.id ?? "");
const agencyOf = (number: number) => AGENCIES[number % AGENCIES.length] ?? "";
/** Changes to jobs and moves of users that fall between the polls. */
const TURNS = 4 * AGENCIES.length;

async function move(caller: Caller, agency: string | null): Promise<void> {
  const since = performance.now();
  // Both instants count: a running poll may see either agency.
  caller.agencies.push({ id: agency, since });
  await project.sql("update public.users set agency_id = $1 where id = $2", [agency, caller.id]);
  caller.agencies.push({ id: agency, since: performance.now() });
}

/** The agencies that a user was in at any time between two instants. */
function agenciesBetween({ agencies }: Caller, from: number, to: number): (string | null)[] {
  return agencies
    .filter(({ since }, i) => since <= to && (agencies[i + 1]?.since ?? Infinity) >= from)
    .map(({ id }) => id);
}

const told = { active: 0, recent: 0, moved: 0 };

async function pollAs(caller: Caller): Promise<void> {
  const from = performance.now();
  const answer = await poll(project.functionUrl, caller.token);
  const agencies = new Set(agenciesBetween(caller, from, performance.now()));
  if (agencies.size > 1) {
    // A move between two reads of one poll may give a 500, and never another agency's job.
    told.moved++;
    if (answer.status === 500 || (answer.status === 403 && agencies.has(null))) return;
  }
  assert.equal(answer.status, 200, answer.text);
  const status = parseSyncStatus(answer.body);
  const job = status.active ? status.job : status.recent_job;
  if (!job) return assert(agencies.size > 1, "every agency has had a job");
  assert(agencies.has(owner.get(job.id) ?? "nobody's"), "the job belongs to the caller");
  told[status.active ? "active" : "recent"]++;
}

test(
  `GET answers ${POLLS} interleaved polls of ${AGENCIES.length} agencies with the caller's own job, while jobs change and users move`,
  async (t) => {
    let polls = 0;
    let turns = 0;
    const poller = async () => {
      while (polls < POLLS || turns < TURNS) {
        const caller = callers[polls++ % callers.length];
        if (caller) await pollAs(caller);
      }
    };
    const changer = async () => {
      for (; polls < POLLS || turns < TURNS; turns++) {
        const agency = agencyOf(turns);
        await project.sql(
          "update public.historical_sync_jobs set status = 'failed' where agency_id = $1 and status in ('pending', 'in_progress')",
          [agency],
        );
        // In two of three turns the agency gets a new job.
        if ((turns + Math.floor(turns / AGENCIES.length)) % 3) {
          const job = await addJob(agency, "pending");
          await project.sql("update public.historical_sync_jobs set status = 'in_progress' where id = $1", [
            job,
          ]);
        }
        const caller = callers[(turns * 5) % callers.length];
        if (caller) await move(caller, agencyOf(turns * 11));
        // PGlite is in this process: without a pause, no request would be handled.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await Promise.all([changer(), ...Array.from({ length: AGENCIES.length }, poller)]);
    await t.step(
      `${told.active} active jobs, ${told.recent} recent jobs and ${told.moved} moves among the answers, ${owner.size} jobs`,
      () => assert(told.active >= 10 && told.recent >= 10 && owner.size > 2 * AGENCIES.length),
    );
  },
  LIMIT_MS,
);

test("GET answers 401 or 403 on the next poll after a sign-out, a deletion or the loss of the agency, under load", async () => {
  const [signsOut, deleted, losesAgency, ...others] = callers;
  assert(signsOut && deleted && losesAgency);
  let over = false;
  const load = Promise.all(others.map(async (caller) => {
    while (!over) await pollAs(caller);
  }));
  try {
    const logout = await fetch(`${project.url}/auth/v1/logout`, {
      method: "POST",
      headers: { "apikey": project.publishableKey, "Authorization": `Bearer ${signsOut.token}` },
    });
    await logout.body?.cancel();
    assert.equal((await poll(project.functionUrl, signsOut.token)).status, 401);

    await project.sql("delete from auth.users where id = $1", [deleted.id]);
    assert.equal((await poll(project.functionUrl, deleted.token)).status, 401);

    await move(losesAgency, null);
    assert.equal((await poll(project.functionUrl, losesAgency.token)).status, 403);
  } finally {
    over = true;
    await load;
  }
});

const { log } = project;
if (!log) leftOut("the log holds no token after all polls", "the log can't be read");
else {
  test("the log holds no token after all polls", () => {
    const written = log.join("\n");
    for (const { token } of callers) assert.equal(written.includes(token.split(".")[2] ?? token), false);
  });
}
