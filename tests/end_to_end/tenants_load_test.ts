/** Tenants under load: many agencies poll at once while their jobs change and their users move. */

import assert from "node:assert/strict";
import { z } from "zod";
import { PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { syncStatus } from "../../supabase/functions/get-sync-status/contract.ts";
import { poll, test } from "../../testing/helpers.ts";

const stack = await startStack();
Deno.test.afterAll(() => stack.stop());

// The embedded database answers one request at a time: there the same is shown with less.
const [AGENCIES, POLLS] = stack.pollsInFlight < 20 ? [stack.pollsInFlight, 300] : [20, 2_000];
/** Changes to jobs and moves of users that fall between the polls. */
const TURNS = 4 * AGENCIES;
const LIMIT_MS = 180_000;

const session = z.object({ access_token: z.string(), user: z.object({ id: z.string() }) });

interface Person {
  id: string;
  token: string;
  /** Every agency the user has been in, and since when; null is none. */
  agencies: { id: string | null; since: number }[];
}

const agencyOf = (number: number) => `a1000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
/** Which agency a job belongs to, for every job there ever was. */
const owner = new Map<string, string>();
const people: Person[] = [];

async function addJob(agency: string, status: string): Promise<string> {
  const [row] = await stack.sql<{ id: string }>(
    `insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, total_calls)
     values ($1, $2, '2025-01-01', '2025-03-01', 1000) returning id`,
    [agency, status],
  );
  const id = row?.id ?? "";
  owner.set(id, agency);
  return id;
}

for (let number = 0; number < AGENCIES; number++) {
  const agency = agencyOf(number);
  await stack.sql("insert into public.agencies (id, name) values ($1, $2)", [agency, `Agency ${number}`]);
  const response = await fetch(`${stack.url}/auth/v1/signup`, {
    method: "POST",
    headers: { "apikey": PUBLISHABLE_KEY, "Content-Type": "application/json" },
    body: JSON.stringify({ email: `agent${number}@example.com`, password: "a-password-of-the-load-test" }),
  });
  const { access_token: token, user: { id } } = session.parse(await response.json());
  await stack.sql("insert into public.users (id, agency_id) values ($1, $2)", [id, agency]);
  people.push({ id, token, agencies: [{ id: agency, since: performance.now() }] });
  await addJob(agency, "completed");
}

async function move(person: Person, agency: string | null): Promise<void> {
  const since = performance.now();
  // Before and after count: a poll under way may see either.
  person.agencies.push({ id: agency, since });
  await stack.sql("update public.users set agency_id = $1 where id = $2", [agency, person.id]);
  person.agencies.push({ id: agency, since: performance.now() });
}

/** The agencies that a user was in at any time between two instants. */
function agenciesBetween({ agencies }: Person, from: number, to: number): (string | null)[] {
  return agencies
    .filter(({ since }, i) => since <= to && (agencies[i + 1]?.since ?? Infinity) >= from)
    .map(({ id }) => id);
}

const told = { active: 0, recent: 0, moved: 0 };

async function pollAs(person: Person): Promise<void> {
  const from = performance.now();
  const answer = await poll(stack.functionUrl, person.token);
  const agencies = new Set(agenciesBetween(person, from, performance.now()));
  if (agencies.size > 1) {
    // Two reads of one poll may fall on both sides of a move; that is never another's job, but may be a 500.
    told.moved++;
    if (answer.status === 500 || (answer.status === 403 && agencies.has(null))) return;
  }
  assert.equal(answer.status, 200, answer.text);
  const status = syncStatus.parse(answer.body);
  const job = status.active ? status.job : status.recent_job;
  if (!job) return assert(agencies.size > 1, "every agency has had a job");
  assert(agencies.has(owner.get(job.id) ?? "nobody's"), "the job belongs to the caller");
  told[status.active ? "active" : "recent"]++;
}

test(
  `${POLLS} interleaved polls of ${AGENCIES} agencies, while jobs change and users move, each tell the caller's own job`,
  async (t) => {
    let polls = 0;
    let turns = 0;
    const poller = async () => {
      while (polls < POLLS || turns < TURNS) {
        const person = people[polls++ % AGENCIES];
        if (person) await pollAs(person);
      }
    };
    const changer = async () => {
      for (; polls < POLLS || turns < TURNS; turns++) {
        const agency = agencyOf(turns % AGENCIES);
        await stack.sql(
          "update public.historical_sync_jobs set status = 'failed' where agency_id = $1 and status in ('pending', 'in_progress')",
          [agency],
        );
        // Two of three times the agency goes on to its next job.
        if (turns % 3) {
          const job = await addJob(agency, "pending");
          await stack.sql("update public.historical_sync_jobs set status = 'in_progress' where id = $1", [
            job,
          ]);
        }
        const person = people[(turns * 7) % AGENCIES];
        if (person) await move(person, agencyOf((turns * 3) % AGENCIES));
        // PGlite is in this process: without a pause, no request would ever get its turn.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await Promise.all([changer(), ...Array.from({ length: AGENCIES }, poller)]);
    await t.step(
      `${told.active} told an active job, ${told.recent} a recent one, ${told.moved} met a move, ${owner.size} jobs`,
      () => assert(told.active >= 10 && told.recent >= 10 && owner.size > 2 * AGENCIES),
    );
  },
  LIMIT_MS,
);

test("under load, who signs out, is deleted or loses the agency is told so with the next poll", async () => {
  const [signsOut, deleted, losesAgency, ...others] = people;
  assert(signsOut && deleted && losesAgency);
  let over = false;
  const load = Promise.all(others.map(async (person) => {
    while (!over) await pollAs(person);
  }));
  try {
    const logout = await fetch(`${stack.url}/auth/v1/logout`, {
      method: "POST",
      headers: { "apikey": PUBLISHABLE_KEY, "Authorization": `Bearer ${signsOut.token}` },
    });
    await logout.body?.cancel();
    assert.equal((await poll(stack.functionUrl, signsOut.token)).status, 401);

    await stack.sql("delete from auth.users where id = $1", [deleted.id]);
    assert.equal((await poll(stack.functionUrl, deleted.token)).status, 401);

    await move(losesAgency, null);
    assert.equal((await poll(stack.functionUrl, losesAgency.token)).status, 403);
  } finally {
    over = true;
    await load;
  }
});

test("no token of all these polls ever reached the log", () => {
  const written = stack.function.output.join("\n");
  for (const { token } of people) assert.equal(written.includes(token.split(".")[2] ?? token), false);
});
