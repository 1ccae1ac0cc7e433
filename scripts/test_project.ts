/**
 * `deno task test:project`: runs the end-to-end tests against a running
 * Supabase project, with the function as it is deployed there (docs/testing.md).
 *
 * It looks first, and touches no project that serves people unless
 * `--project-ref` names it. What the tests add is removed at the end, however
 * that comes, or by the next run.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { decodeJwt, SignJWT } from "jose";
import postgres from "postgres";
import { z } from "zod";
import { cleanEnvironment, END_SIGNALS, pathOf } from "../local/commands.ts";
import { FUNCTION_PATH } from "../local/stack.ts";
import { peopleOf, runningProject, TEST_AGENCIES, TEST_USERS } from "./test_people.ts";

/** Ids of seed.sql. */
const SEEDED = "_0000000-0000-4000-8000-00000000000_";

/** The port of a pooler in transaction mode: it keeps no lock and no session for a run. */
const TRANSACTION_POOLER_PORT = "6543";

const variables = z.object({
  SUPABASE_URL: z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/$/, "")),
  SUPABASE_PUBLISHABLE_KEY: z.string().min(1),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  SUPABASE_SECRET_KEY: z.string().optional(),
  SUPABASE_JWT_SECRET: z.string().optional(),
});

/** Says in a sentence what has to be otherwise before anything can be tested. */
class Refusal extends Error {}

const refuse = (sentence: string) => (error: unknown): never => {
  throw new Refusal(`${sentence}: ${error instanceof Error ? error.message || error.name : error}.`);
};

/**
 * How people call the project: its reference, if it is hosted by Supabase;
 * else the hosts of its address and of its database, so that naming it names both.
 *
 * @throws {Refusal} if the two are of different projects
 */
function readReference(url: string, database: URL): string {
  const { host } = new URL(url);
  const ofUrl = /^([a-z]{20})\.supabase\.\w+$/.exec(host)?.[1];
  const ofDatabase = /^db\.([a-z]{20})\.supabase\.\w+$/.exec(database.hostname)?.[1] ??
    /^\w+\.([a-z]{20})$/.exec(database.username)?.[1];
  if (ofUrl !== ofDatabase) {
    throw new Refusal(`SUPABASE_URL and DATABASE_URL name two projects: ${host}, ${database.host}.`);
  }
  return ofUrl ?? `${host}+${database.host}${database.pathname}`;
}

/** Looks at a project and changes nothing; gives the table of its tenants, which the jobs refer to. */
async function look(sql: postgres.Sql, url: string, reference: string, named?: string): Promise<string> {
  const [jobs] = await sql`select to_regclass('public.historical_sync_jobs') as there`;
  if (!jobs?.there) throw new Refusal("The database lacks the endpoint's tables: push the migrations first.");
  const [{ tenants, owner } = {}] = await sql<{ tenants: string; owner: boolean }[]>`
    select confrelid::regclass::text as tenants,
           not row_security_active(confrelid) and has_table_privilege('auth.users', 'delete') as owner
    from   pg_constraint
    where  conrelid = 'public.historical_sync_jobs'::regclass and contype = 'f'`;
  if (!tenants || !owner) {
    throw new Refusal("DATABASE_URL must be the owner's connection, who sees every row.");
  }
  const answer = await fetch(url + FUNCTION_PATH).then((response) => response.text()).catch(() => "");
  if (!answer.includes('"code":"unauthorized"')) {
    throw new Refusal(`${url + FUNCTION_PATH} does not answer as the function does: deploy it first.`);
  }
  const found = await sql<{ thing: string; count: number }[]>`
    select thing, count(*)::integer
    from   (
             select 'agencies', id::text from ${sql(tenants)} union all
             select 'jobs', agency_id::text from public.historical_sync_jobs union all
             select 'users', id::text from auth.users where coalesce(email, '') not like ${TEST_USERS} union all
             select 'triggers', tgname from pg_trigger where not tgisinternal and tgrelid in (${tenants}::regclass,
               'auth.users'::regclass, 'public.users'::regclass, 'public.historical_sync_jobs'::regclass)
           ) as found (thing, id)
    where  id not like ${SEEDED} and id not like ${TEST_AGENCIES}
    group  by thing
    order  by thing`;
  if (found.length && named !== reference) {
    throw new Refusal(
      `The project holds what neither the seed nor a test made: ${
        found.map(({ thing, count }) => `${count} ${thing}`).join(", ")
      }. If you mean it nevertheless: --project-ref=${reference}`,
    );
  }
  return tenants;
}

/** Removes what tests have added, in this run or in one that was killed; gives how many agencies and users. */
async function removeTestRows(sql: postgres.TransactionSql, tenants: string): Promise<number> {
  const agencies = await sql`delete from ${sql(tenants)} where id::text like ${TEST_AGENCIES}`;
  const [users] =
    await sql`select relkind = 'r' as is_table from pg_class where oid = 'public.users'::regclass`;
  // In a project's own table, the rows need not go with those of Auth.
  if (users?.is_table) {
    await sql`delete from public.users where id in (select id from auth.users where email like ${TEST_USERS})`;
  }
  const people = await sql`delete from auth.users where email like ${TEST_USERS}`;
  await sql`
    delete from auth.audit_log_entries
    where  created_at >= now() - interval '1 day' and payload::text like ${`%${TEST_USERS}%`}`;
  return agencies.count + people.count;
}

/** Runs the tests to their end, or to an interruption; gives the exit code. */
async function runTests(project: z.infer<typeof runningProject>): Promise<number> {
  const preload = `--preload=${pathOf("../local/task_process.ts", import.meta.url)}`;
  const tests = new Deno.Command(Deno.execPath(), {
    args: ["test", "--quiet", "--allow-all", preload, pathOf("../tests/end_to_end/", import.meta.url)],
    env: { ...cleanEnvironment(), TEST_PROJECT: JSON.stringify(project) },
    clearEnv: true,
  }).spawn();
  // An interrupted run still removes what it has added.
  for (const signal of END_SIGNALS) Deno.addSignalListener(signal, () => tests.kill());
  return (await tests.status).code;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ args: Deno.args, options: { "project-ref": { type: "string" } } });
  const parsed = variables.safeParse(Deno.env.toObject());
  if (!parsed.success) {
    throw new Refusal(`Set ${parsed.error.issues.map(({ path }) => path.join()).join(", ")}.`);
  }
  const { SUPABASE_URL: url, DATABASE_URL: databaseUrl, ...keys } = parsed.data;
  if (new URL(databaseUrl).port === TRANSACTION_POOLER_PORT) {
    throw new Refusal("DATABASE_URL names a pooler in transaction mode: name the direct connection.");
  }
  const reference = readReference(url, new URL(databaseUrl));
  const sql = postgres(databaseUrl, { max: 1, max_lifetime: null, idle_timeout: 0, onnotice: () => {} });
  try {
    await sql`select`.catch(refuse("The database that DATABASE_URL names can't be reached"));
    const tenants = await look(sql, url, reference, values["project-ref"]);
    // Held as long as this session.
    const [lock] = await sql`select pg_try_advisory_lock(hashtext('test:project')) as free`;
    if (!lock?.free) throw new Refusal("Another run is under way on this project.");

    const remove = () => sql.begin((transaction) => removeTestRows(transaction, tenants));
    const left = await remove();
    if (left) console.log(`Removed ${left} agencies and users that an earlier run had left.`);
    const project: z.infer<typeof runningProject> = {
      url,
      publishableKey: keys.SUPABASE_PUBLISHABLE_KEY,
      secretKey: keys.SUPABASE_SECRET_KEY,
      password: crypto.randomUUID(),
      databaseUrl,
    };
    const people = peopleOf(
      project,
      async (query, parameters) => await sql.unsafe(query, parameters as string[]) as unknown as never[],
    );
    try {
      const { importing } = await people.addScene()
        .catch(
          refuse(`The tests' users can't be added at ${url} and to the database. Are they one project?`),
        );
      const secret = keys.SUPABASE_JWT_SECRET;
      if (secret) {
        const claims = new SignJWT(decodeJwt(await people.signIn(importing))).setProtectedHeader({
          alg: "HS256",
        });
        const forged = await claims.sign(new TextEncoder().encode(secret));
        const headers = { "apikey": project.publishableKey, "Authorization": `Bearer ${forged}` };
        const { ok } = await fetch(`${url}/auth/v1/user`, { headers });
        if (ok) project.jwtSecret = secret;
        else console.log("Auth refuses what SUPABASE_JWT_SECRET signs: no tests with forged tokens.");
      }
      console.log(`Testing ${url + FUNCTION_PATH} …`);
      return await runTests(project);
    } finally {
      console.log(`Removed the ${await remove()} agencies and users that the tests had added.`);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

try {
  Deno.exit(await main());
} catch (error) {
  const sentence = error instanceof postgres.PostgresError
    ? `The database refuses: ${error.message}. DATABASE_URL must be the owner's connection.`
    : error instanceof Refusal && error.message;
  if (!sentence) throw error;
  console.error(sentence);
  Deno.exit(1);
}
