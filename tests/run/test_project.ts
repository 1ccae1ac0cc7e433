import { parseArgs } from "node:util";
import postgres from "postgres";
import { cleanEnvironment, END_SIGNALS, pathOf } from "../../local/commands.ts";
import { FUNCTION_PATH } from "../../local/stack.ts";
import { EMAIL_END, manageTestData, runningProject } from "./test_data.ts";

const NOT_OWNER = "PROJECT_DATABASE_URL must be the owner's direct connection";
const NO_USERS =
  "Users cannot be added. If nobody may sign up, or addresses must be confirmed, set SUPABASE_SECRET_KEY; " +
  "else look whether the keys and the database are this project's";
const MAY_BE_LEFT = `Users …${EMAIL_END} and their agencies may be left; the next run removes them`;

const reasonOf = (error: unknown) => error instanceof Error ? error.message || error.name : String(error);

const explain = (sentence: string) => (error: unknown): never => {
  throw new Error(`${sentence}: ${reasonOf(error)}.`);
};

/** Throws if the function or its tables are not there. */
async function look(sql: postgres.Sql, functionUrl: string): Promise<void> {
  const [jobs] = await sql`
    select pg_has_role(relowner, 'usage') and has_table_privilege('auth.users', 'delete') as is_owner
    from   pg_class where oid = to_regclass('public.historical_sync_jobs')`.catch(explain(NOT_OWNER));
  if (!jobs) throw new Error("The database lacks the endpoint's tables: push the migrations first.");
  if (!jobs.is_owner) throw new Error(`${NOT_OWNER}: this one lacks rights.`);
  const answer = await fetch(functionUrl).then((response) => response.text(), () => "");
  if (!answer.includes('"code":"unauthorized"')) {
    throw new Error(`${functionUrl} does not answer as the function does: deploy it first.`);
  }
}

/** Removes what this run and killed ones have added; says what stays, and why. */
async function removeTestData(sql: postgres.Sql, removeUser: (id: string) => Promise<void>): Promise<void> {
  let removed = 0;
  const users = await sql`select id, email from auth.users where email like ${"%" + EMAIL_END}`;
  for (const { id, email } of users) {
    try {
      await removeUser(id);
      removed++;
    } catch (error) {
      console.log(`Not removed: ${email} or its agency: ${reasonOf(error)}`);
    }
  }
  if (removed > 0) console.log(`Removed ${removed} users of the tests and their agencies.`);
}

/** An interrupted run still removes what it has added. */
const interruption = new AbortController();
for (const signal of END_SIGNALS) Deno.addSignalListener(signal, () => interruption.abort());

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { project: { type: "string" } }, args: Deno.args });
  const { data: project, error } = runningProject.safeParse(Deno.env.toObject());
  if (!project) throw new Error(`Set ${error.issues.map(({ path }) => path.join()).join(", ")}.`);
  const { host } = new URL(project.SUPABASE_URL);
  const database = new URL(project.PROJECT_DATABASE_URL);
  const reference = /^([a-z]{20})\.supabase\./.exec(host)?.[1] ?? "";
  if (!database.href.includes(reference)) throw new Error(`${host} and ${database.host} are two projects.`);

  // A pooler keeps no prepared statements.
  const sql = postgres(database.href, { max: 1, prepare: false, onnotice: () => {} });
  await look(sql, project.SUPABASE_URL + FUNCTION_PATH);
  const name = `${host}+${database.username}@${database.host}${database.pathname}`;
  if (values.project !== name) {
    throw new Error(`This adds agencies and users, and removes them. If you mean it: --project=${name}`);
  }

  const { addTestData, removeUser } = manageTestData(project, (statement) => sql.unsafe(statement));
  await removeTestData(sql, removeUser);
  try {
    await addTestData().catch(explain(NO_USERS));
    // Deno 2.9.6 ignores a signal that was aborted before the command starts.
    if (interruption.signal.aborted) throw new Error("Interrupted.");
    const tests = new Deno.Command(Deno.execPath(), {
      args: ["test", "--quiet", "--allow-all", pathOf("../end_to_end/", import.meta.url)],
      env: { ...cleanEnvironment(), TEST_PROJECT: JSON.stringify(project) },
      clearEnv: true,
      signal: interruption.signal,
    });
    return (await tests.spawn().status).code;
  } finally {
    await removeTestData(sql, removeUser).catch(explain(MAY_BE_LEFT));
    // Auth may have ended a sign-up after the test that asked for it.
    if (interruption.signal.aborted) await removeTestData(sql, removeUser);
  }
}

main().then(Deno.exit, (error) => {
  console.error(reasonOf(error));
  Deno.exit(1);
});
