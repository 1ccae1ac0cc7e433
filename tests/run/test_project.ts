/**
 * `deno task test:project`: runs the end-to-end tests against a running
 * Supabase project, with the function as it is deployed there (docs/testing.md).
 *
 * It looks first, and touches no project that `--project-ref` does not name.
 * What the tests add is removed at the end, however that comes, or by the next run.
 */

import { parseArgs } from "node:util";
import { decodeJwt, SignJWT } from "jose";
import postgres from "postgres";
import { cleanEnvironment, END_SIGNALS, pathOf } from "../../local/commands.ts";
import { FUNCTION_PATH } from "../../local/stack.ts";
import { managePeople, type Project, runningProject, TEST_AGENCIES, TEST_USERS } from "./test_people.ts";

/** Makes what throws a sentence with the reason. */
const refuse = (sentence: string) => (reason: unknown): never => {
  throw new Error(`${sentence}: ${reason instanceof Error ? reason.message || reason.name : reason}.`);
};
const OWNER = "DATABASE_URL must be the owner's direct connection";

/**
 * How people call the project: its reference, if it is hosted by Supabase;
 * else the hosts of its address and of its database, so that naming it names both.
 *
 * @throws {Error} if the two are of different projects
 */
function readReference(url: string, database: URL): string {
  const { host } = new URL(url);
  const ofUrl = /^([a-z]{20})\.supabase\.\w+$/.exec(host)?.[1];
  const ofDatabase = /^db\.([a-z]{20})\.supabase\.\w+$/.exec(database.hostname)?.[1] ??
    /^\w+\.([a-z]{20})$/.exec(database.username)?.[1];
  if (ofUrl !== ofDatabase) {
    throw new Error(`SUPABASE_URL and DATABASE_URL name two projects: ${host}, ${database.host}.`);
  }
  return ofUrl ?? `${host}+${database.host}${database.pathname}`;
}

/** Looks at a project and changes nothing; gives the table of its tenants, which the jobs refer to. */
async function look(sql: postgres.Sql, functionUrl: string): Promise<string> {
  const [jobs] = await sql<{ tenants: string; owner: boolean }[]>`
    select confrelid::regclass::text as tenants,
           not row_security_active(confrelid) and has_table_privilege('auth.users', 'delete') as owner
    from   pg_constraint
    join   pg_attribute on attrelid = conrelid and attname = 'agency_id' and conkey = array[attnum]
    where  conrelid = to_regclass('public.historical_sync_jobs') and contype = 'f'`.catch(refuse(OWNER));
  if (!jobs) throw new Error("The database lacks the endpoint's tables: push the migrations first.");
  if (!jobs.owner) refuse(OWNER)("row-level security or a missing right holds this one");
  const answer = await fetch(functionUrl).then((response) => response.text(), () => "");
  if (!answer.includes('"code":"unauthorized"')) {
    throw new Error(`${functionUrl} does not answer as the function does: deploy it first.`);
  }
  return jobs.tenants;
}

/** An interrupted run still removes what it has added. */
const interruption = new AbortController();
for (const signal of END_SIGNALS) Deno.addSignalListener(signal, () => interruption.abort());

/** Runs the tests to their end, or to an interruption; gives the exit code. */
async function runTests(project: Project): Promise<number> {
  const tests = new Deno.Command(Deno.execPath(), {
    args: ["test", "--quiet", "--allow-all", pathOf("../end_to_end/", import.meta.url)],
    env: { ...cleanEnvironment(), TEST_PROJECT: JSON.stringify(project) },
    clearEnv: true,
    signal: interruption.signal,
  });
  return (await tests.spawn().status).code;
}

/** Whether Auth accepts a token with the claims of another one, signed with a secret. */
async function isAccepted(secret: string, token: string, project: Project): Promise<boolean> {
  const claims = new SignJWT(decodeJwt(token)).setProtectedHeader({ alg: "HS256" });
  const forged = await claims.sign(new TextEncoder().encode(secret));
  const headers = { "apikey": project.SUPABASE_PUBLISHABLE_KEY, "Authorization": `Bearer ${forged}` };
  return (await fetch(`${project.SUPABASE_URL}/auth/v1/user`, { headers })).ok;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { "project-ref": { type: "string" } }, args: Deno.args });
  const { data: project, error } = runningProject.safeParse(Deno.env.toObject());
  if (!project) throw new Error(`Set ${error.issues.map(({ path }) => path.join()).join(", ")}.`);
  const { SUPABASE_URL: url, SUPABASE_JWT_SECRET: secret } = project;
  const database = new URL(project.DATABASE_URL);
  // It keeps no lock and no session for a run.
  if (database.port === "6543") refuse(OWNER)("port 6543 is a pooler in transaction mode");
  const reference = readReference(url, database);
  const sql = postgres(database.href, { max: 1, max_lifetime: null, idle_timeout: 0, onnotice: () => {} });
  try {
    const tenants = await look(sql, url + FUNCTION_PATH);
    if (values["project-ref"] !== reference) {
      throw new Error(
        `This adds agencies and users, and removes them. If you mean it: --project-ref=${reference}`,
      );
    }
    // Held as long as this session.
    const [lock] = await sql`select pg_try_advisory_lock(hashtext('test:project')) as free`;
    if (!lock?.free) throw new Error("Another run is under way on this project.");

    const people = managePeople(project, (statement) => sql.unsafe(statement));
    /** Removes what tests have added, in this run or in one that was killed; gives how many agencies. */
    const remove = async () => {
      // The name comes quoted from the catalogue.
      const { count } = await sql`delete from ${sql.unsafe(tenants)} where id::text like ${TEST_AGENCIES}`;
      await people.removeUsers(TEST_USERS);
      await sql`
        delete from auth.audit_log_entries
        where  created_at >= now() - interval '1 day' and payload::text like ${`%${TEST_USERS}%`}`;
      return count;
    };
    const left = await remove();
    if (left) console.log(`Removed ${left} agencies that an earlier run had left, and its users.`);
    try {
      const token = await people.addScene().then(({ importing }) => people.signIn(importing))
        .catch(refuse(`Users can't be added at ${url} and to the database. Are they one project?`));
      if (secret && !await isAccepted(secret, token, project)) {
        console.log("Auth refuses what SUPABASE_JWT_SECRET signs: no tests with forged tokens.");
        delete project.SUPABASE_JWT_SECRET;
      }
      console.log(`Testing ${url + FUNCTION_PATH} …`);
      return await runTests(project);
    } finally {
      // Auth may take as long to end what an interrupted test asked.
      if (interruption.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 2_000));
      console.log(`Removed the ${await remove()} agencies that the tests had added, and their users.`);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
