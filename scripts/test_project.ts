/**
 * `deno task test:project`: runs the end-to-end tests against a running
 * Supabase project, through its own gateway and with the function as it is
 * deployed there. SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY and DATABASE_URL (the
 * owner's direct connection) name it.
 *
 * It looks first, and touches no project that serves people unless
 * `--project-ref` names it. The tests add agencies and users of their own,
 * whose ids nobody else's have; these are taken away at the end, however that
 * comes, or by the next run. It changes no schema.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import bcrypt from "bcryptjs";
import postgres from "postgres";
import { z } from "zod";
import { cleanEnvironment, END_SIGNALS, pathOf } from "../local/commands.ts";
import { FUNCTION_PATH } from "../local/stack.ts";
import {
  PROJECT_VARIABLE,
  type projectVariable,
  TEST_AGENCIES,
  TEST_DOMAIN,
  TEST_MARK,
  TEST_USERS,
  withPeople,
} from "../tests/support/project.ts";

/** Ids of seed.sql. */
const SEEDED = "_0000000-0000-4000-8000-00000000000_";

/** Where a pooler in transaction mode listens: it keeps no lock and no session for a run. */
const TRANSACTION_POOLER_PORT = "6543";

/** How long Auth may take to end what it was asked before the tests were interrupted, in milliseconds. */
const SETTLING_MS = 2_000;

const variables = z.object({
  SUPABASE_URL: z.url({ protocol: /^https?$/ }),
  SUPABASE_PUBLISHABLE_KEY: z.string().min(1),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  SUPABASE_JWT_SECRET: z.string().optional(),
});

/** Says in a sentence what has to be otherwise before anything can be tested. */
class Refusal extends Error {}

const sentenceOf = (error: unknown) => error instanceof Error ? error.message || error.name : String(error);

function readEnvironment(): z.infer<typeof variables> {
  const parsed = variables.safeParse(Deno.env.toObject());
  if (parsed.success) return parsed.data;
  const names = parsed.error.issues.map(({ path }) => path.join("."));
  throw new Refusal(
    `Set ${names.join(", ")}: the project's address, its publishable key, the owner's connection.`,
  );
}

/**
 * How people call the project: its reference, where it is hosted by Supabase;
 * else the hosts of its address and of its database, so that naming it names both.
 *
 * @throws {Refusal} where the two are of different projects
 */
function referenceOf(url: string, databaseUrl: string): string {
  const database = new URL(databaseUrl);
  const { host } = new URL(url);
  const ofUrl = /^([a-z]{20})\.supabase\.\w+$/.exec(host)?.[1];
  const ofDatabase = /^db\.([a-z]{20})\.supabase\.\w+$/.exec(database.hostname)?.[1] ??
    /^\w+\.([a-z]{20})$/.exec(database.username)?.[1];
  if (ofUrl !== ofDatabase) {
    throw new Refusal(
      `SUPABASE_URL and DATABASE_URL name two projects: ${ofUrl ?? host}, ${ofDatabase ?? database.host}.`,
    );
  }
  return ofUrl ?? `${host}+${database.host}${database.pathname}`;
}

/** What there is to know of a project before anything is done to it. */
async function look(
  sql: postgres.Sql,
  url: string,
  reference: string,
  named: string | undefined,
): Promise<void> {
  const [there] = await sql`
    select to_regclass('public.agencies')             is not null
       and to_regclass('public.users')                is not null
       and to_regclass('auth.users')                  is not null
       and to_regclass('public.historical_sync_jobs') is not null as tables`;
  if (!there?.tables) {
    throw new Refusal("The database lacks the endpoint's tables: push the migrations first.");
  }
  const [owner] = await sql`
    select not row_security_active('public.agencies') and not row_security_active('public.historical_sync_jobs') as sees_all`;
  if (!owner?.sees_all) {
    throw new Refusal("DATABASE_URL must be the owner's connection: this user does not see every row.");
  }

  const answer = await fetch(url + FUNCTION_PATH).catch(() => undefined);
  const body = await answer?.text() ?? "";
  if (!body.includes('"code":"unauthorized"')) {
    throw new Refusal(`${url + FUNCTION_PATH} does not answer as the function does: deploy it first.`);
  }

  const [found] = await sql<Record<string, number>[]>`
    with ids as (
      select 'agencies' as thing, id from public.agencies union all
      select 'users',             id from auth.users      union all
      select 'users',             id from public.users    union all
      select 'jobs',       agency_id from public.historical_sync_jobs
    ),
    others as (
      select thing, id from ids
      where  id::text not like ${SEEDED}
      and    id::text not like ${TEST_AGENCIES}
      and    id::text not like ${TEST_USERS}
    )
    select (select count(distinct id)::integer from others where thing = 'agencies') as agencies,
           (select count(distinct id)::integer from others where thing = 'users')    as users,
           (select count(*)::integer           from others where thing = 'jobs')     as jobs,
           (select count(*)::integer from pg_trigger
            where  not tgisinternal
            and    tgrelid in ('public.agencies'::regclass, 'public.users'::regclass, 'auth.users'::regclass,
                               'public.historical_sync_jobs'::regclass))             as triggers`;
  const holds = Object.entries(found ?? {}).filter(([, count]) => count > 0).map(([thing, count]) =>
    `${count} ${thing}`
  );
  if (holds.length && named !== reference) {
    throw new Refusal(
      `The project holds what neither the seed nor a test made: ${holds.join(", ")}. ` +
        `If you mean it nevertheless: --project-ref=${reference}`,
    );
  }
}

/** Takes away what tests have added, in this run or in one that was killed; gives how many agencies and users. */
async function takeAway(sql: postgres.TransactionSql): Promise<number> {
  const ours = sql`id::text like ${TEST_USERS} and email like ${`%@${TEST_DOMAIN}`}`;
  await sql`
    delete from auth.audit_log_entries
    where  created_at >= now() - interval '1 day'
    and    payload::text like ${`%${TEST_USERS}@${TEST_DOMAIN}%`}`;
  // Where a project has its own table users, its rows need not go with those of Auth.
  await sql`delete from public.users where id in (select id from auth.users where ${ours})`;
  const users = await sql`delete from auth.users where ${ours}`;
  const agencies = await sql`
    delete from public.agencies
    where  id::text like ${TEST_AGENCIES}
    and    name     like ${`%${TEST_MARK}`}`;
  return users.count + agencies.count;
}

/** Shows that what the tests add can be taken away again, and leaves nothing of it. */
async function rehearse(
  sql: postgres.Sql,
  credentials: { password: string; passwordHash: string },
): Promise<void> {
  const undone = new Error("undone");
  await sql.begin(async (transaction) => {
    const run = async (query: string) => await transaction.unsafe(query) as unknown as never[];
    await withPeople("", "", run, credentials).addScene();
    await takeAway(transaction);
    throw undone;
  }).catch((error) => {
    if (error !== undone) {
      throw new Refusal(
        `The tests' agencies and users can't be added to this project and taken away again: ${
          sentenceOf(error)
        }`,
      );
    }
  });
}

let interrupted = false;
let endTests: () => void = () => {};
// An interrupted run still takes away what it has added.
for (const signal of END_SIGNALS) {
  Deno.addSignalListener(signal, () => {
    interrupted = true;
    endTests();
  });
}

/** Runs the tests; gives the exit code. */
async function runTests(project: z.infer<typeof projectVariable>): Promise<number> {
  const child = spawn(Deno.execPath(), [
    "test",
    "--quiet",
    "--allow-all",
    pathOf("../tests/end_to_end/", import.meta.url),
  ], {
    env: { ...cleanEnvironment(), [PROJECT_VARIABLE]: JSON.stringify(project) },
    stdio: "inherit",
  });
  endTests = () => child.kill("SIGTERM");
  if (interrupted) endTests();
  return await new Promise((resolve) => child.once("close", (code) => resolve(code ?? 130)));
}

async function main(): Promise<number> {
  const { values } = parseArgs({ args: Deno.args, options: { "project-ref": { type: "string" } } });
  const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, DATABASE_URL, SUPABASE_JWT_SECRET } = readEnvironment();
  const url = SUPABASE_URL.replace(/\/$/, "");
  if (new URL(DATABASE_URL).port === TRANSACTION_POOLER_PORT) {
    throw new Refusal("DATABASE_URL names a pooler in transaction mode: name the direct connection.");
  }
  const reference = referenceOf(url, DATABASE_URL);
  const options = { max: 1, max_lifetime: null, idle_timeout: 0, onnotice: () => {} };
  const [sql, holder] = [postgres(DATABASE_URL, options), postgres(DATABASE_URL, options)];
  try {
    await sql`select`.catch((error) => {
      throw new Refusal(`The database that DATABASE_URL names can't be reached: ${sentenceOf(error)}.`);
    });
    await look(sql, url, reference, values["project-ref"]);
    // Held by a transaction that stays open as long as this run.
    await holder`begin`.simple();
    await holder`set local idle_in_transaction_session_timeout = 0`.simple();
    const [lock] =
      await holder`select pg_try_advisory_xact_lock(hashtext('get-sync-status test:project')) as free`;
    if (!lock?.free) throw new Refusal("Another run is under way on this project.");

    const left = await sql.begin(takeAway);
    if (left) console.log(`Took away ${left} agencies and users that an earlier run had left.`);
    const password = crypto.randomUUID();
    const credentials = { password, passwordHash: await bcrypt.hash(password, 10) };
    await rehearse(sql, credentials);
    // Self-hosted projects keep it there.
    const [settings] = await sql`select current_setting('app.settings.jwt_secret', true) as secret`;
    try {
      const add = async (query: string) => await sql.unsafe(query) as unknown as never[];
      const project = withPeople(url, SUPABASE_PUBLISHABLE_KEY, add, credentials);
      const { importing } = await project.addScene();
      await project.signIn(importing).catch((error) => {
        throw new Refusal(
          `A user who was added to the database can't sign in at ${url}. Are they one project? ${
            sentenceOf(error)
          }`,
        );
      });
      console.log(`Testing ${url + FUNCTION_PATH} …`);
      return await runTests({
        url,
        publishableKey: SUPABASE_PUBLISHABLE_KEY,
        databaseUrl: DATABASE_URL,
        secret: SUPABASE_JWT_SECRET ?? settings?.secret ?? undefined,
        ...credentials,
      });
    } finally {
      let taken = await sql.begin(takeAway);
      if (interrupted) {
        // A request that was under way may end after its user has gone, and write one more line.
        await new Promise((resolve) => setTimeout(resolve, SETTLING_MS));
        taken += await sql.begin(takeAway);
      }
      console.log(`Took away the ${taken} agencies and users that the tests had added.`);
    }
  } finally {
    await Promise.all([sql.end({ timeout: 5 }), holder.end({ timeout: 5 })]);
  }
}

try {
  Deno.exit(await main());
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
