/**
 * `deno task test:project` (docs/testing.md): looks at a running Supabase project first, and touches none that
 * `--project` does not name. What the tests add is removed at their end, however that comes, or by the next run.
 */

import { parseArgs } from "node:util";
import postgres from "postgres";
import { cleanEnvironment, END_SIGNALS, pathOf } from "../../local/commands.ts";
import { FUNCTION_PATH } from "../../local/stack.ts";
import { AGENCY_ID_START, EMAIL_END, manageTestData, runningProject } from "./test_data.ts";

const nameReason = (error: unknown) => error instanceof Error ? error.message || error.name : String(error);

/** Makes what throws a sentence with the reason. */
const refuse = (sentence: string) => (reason: unknown): never => {
  throw new Error(`${sentence}: ${nameReason(reason)}.`);
};
const OWNER = "PROJECT_DATABASE_URL must be the owner's direct connection";

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

/** Removes what tests have added, in this run or in one that was killed; says what is gone and what stays. */
async function remove(sql: postgres.Sql, tenants: string, data: ReturnType<typeof manageTestData>) {
  const due = new Map<string, () => Promise<void>>();
  // The name of the table comes quoted from the catalogue.
  const agencies = await sql`select id from ${sql.unsafe(tenants)} where id::text like ${
    AGENCY_ID_START + "%"
  }`;
  for (const { id } of agencies) due.set(`agency ${id}`, () => data.removeAgency(id));
  const users = await sql`select id, email from auth.users where email like ${"%" + EMAIL_END}`;
  for (const { id, email } of users) due.set(email, () => data.removeUser(id));
  const stay = new Map<string, string>();
  // Twice: an agency may have to go before its users, or after them.
  for (const [what, remove] of [...due, ...due]) {
    await remove().then(() => stay.delete(what), (error) => stay.set(what, nameReason(error)));
  }
  await sql`
    delete from auth.audit_log_entries
    where  created_at >= now() - interval '1 day' and payload::text like ${`%${EMAIL_END}%`}`;
  if (due.size) {
    console.log(`Removed ${due.size - stay.size} of ${due.size} agencies and users of the tests.`);
  }
  for (const [what, reason] of stay) console.log(`Not removed: ${what}: ${reason}`);
}

/** An interrupted run still removes what it has added. */
const interruption = new AbortController();
for (const signal of END_SIGNALS) Deno.addSignalListener(signal, () => interruption.abort());

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { project: { type: "string" } }, args: Deno.args });
  const { data: project, error } = runningProject.safeParse(Deno.env.toObject());
  if (!project) throw new Error(`Set ${error.issues.map(({ path }) => path.join()).join(", ")}.`);
  const { host } = new URL(project.SUPABASE_URL);
  const functionUrl = project.SUPABASE_URL + FUNCTION_PATH;
  const database = new URL(project.PROJECT_DATABASE_URL);
  const [hosted = ""] = /^[a-z]{20}(?=\.supabase\.)/.exec(host) ?? [];
  if (!database.href.includes(hosted)) throw new Error(`${host} and ${database.host} are two projects.`);
  // It keeps no lock and no session for a run.
  if (database.port === "6543") refuse(OWNER)("port 6543 is a pooler in transaction mode");
  const sql = postgres(database.href, { max: 1, max_lifetime: null, idle_timeout: 0, onnotice: () => {} });
  try {
    const tenants = await look(sql, functionUrl);
    const name = `${host}+${database.username}@${database.host}${database.pathname}`;
    if (values.project !== name) {
      throw new Error(`This adds agencies and users, and removes them. If you mean it: --project=${name}`);
    }
    // Held as long as this session.
    const [lock] = await sql`select pg_try_advisory_lock(hashtext('test:project')) as free`;
    if (!lock?.free) throw new Error("Another run is under way on this project.");

    const data = manageTestData(project, (statement) => sql.unsafe(statement));
    await remove(sql, tenants, data);
    try {
      await data.addTestData().then(({ importing }) => data.signIn(importing)).catch(refuse(
        "Users cannot be added. If nobody may sign up, or addresses must be confirmed, set SUPABASE_SECRET_KEY; " +
          "else look whether the keys and the database are this project's",
      ));
      // Deno 2.9.6 ignores a signal that was aborted before the command starts.
      if (interruption.signal.aborted) throw new Error("Interrupted.");
      console.log(`Testing ${functionUrl} …`);
      const tests = new Deno.Command(Deno.execPath(), {
        args: ["test", "--quiet", "--allow-all", pathOf("../end_to_end/", import.meta.url)],
        env: { ...cleanEnvironment(), TEST_PROJECT: JSON.stringify(project) },
        clearEnv: true,
        signal: interruption.signal,
      });
      return (await tests.spawn().status).code;
    } finally {
      // Auth may take as long to end what an interrupted test asked.
      if (interruption.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 2_000));
      await remove(sql, tenants, data).catch(refuse(
        `Agencies ${AGENCY_ID_START}… and users …${EMAIL_END} may be left; the next run removes them`,
      ));
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(nameReason(error));
  Deno.exit(1);
}
