/**
 * `deno task test:project`: runs the end-to-end tests against a running
 * Supabase project, through its own gateway and with the function as it is
 * deployed there. SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY and DATABASE_URL (the
 * owner's connection) name it.
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
import postgres from "postgres";
import { z } from "zod";
import { cleanEnvironment, END_SIGNALS, pathOf } from "../local/commands.ts";
import { FUNCTION_PATH } from "../local/stack.ts";
import {
  PROJECT_VARIABLE,
  type projectVariable,
  TEST_AGENCIES,
  TEST_DOMAIN,
  TEST_USERS,
} from "../testing/project.ts";

/** Ids of seed.sql. */
const SEEDED = "_0000000-0000-4000-8000-00000000000_";

const variables = z.object({
  SUPABASE_URL: z.url({ protocol: /^https?$/ }),
  SUPABASE_PUBLISHABLE_KEY: z.string().min(1),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  SUPABASE_JWT_SECRET: z.string().optional(),
});

/** Says in a sentence what has to be otherwise before anything can be tested. */
class Refusal extends Error {}

function readEnvironment(): z.infer<typeof variables> {
  const parsed = variables.safeParse(Deno.env.toObject());
  if (parsed.success) return parsed.data;
  const names = parsed.error.issues.map(({ path }) => path.join("."));
  throw new Refusal(
    `Set ${names.join(", ")}: the project's address, its publishable key, the owner's connection.`,
  );
}

/** How people call the project: `abc` of `https://abc.supabase.co`, else the host. */
function referenceOf(url: string): string {
  const { host } = new URL(url);
  return /^([a-z]{20})\.supabase\.(?:co|in|red)$/.exec(host)?.[1] ?? host;
}

/** Looks whether there is something to test, and whether it is somebody's. */
async function look(sql: postgres.Sql, url: string, named: string | undefined): Promise<void> {
  const [there] = await sql`
    select to_regclass('public.agencies')             is not null
       and to_regclass('public.users')                is not null
       and to_regclass('public.historical_sync_jobs') is not null as tables`;
  if (!there?.tables) {
    throw new Refusal("The project lacks the endpoint's tables: push the migrations first.");
  }

  const answer = await fetch(url + FUNCTION_PATH).catch(() => undefined);
  const body = await answer?.text() ?? "";
  if (!body.includes('"code":"unauthorized"')) {
    throw new Refusal(`${url + FUNCTION_PATH} does not answer as the function does: deploy it first.`);
  }

  const [foreign] = await sql<{ agencies: number; users: number; jobs: number }[]>`
    select (select count(*)::integer from public.agencies             where id::text        not like ${SEEDED}) as agencies,
           (select count(*)::integer from auth.users                  where id::text        not like ${SEEDED}) as users,
           (select count(*)::integer from public.historical_sync_jobs where agency_id::text not like ${SEEDED}) as jobs`;
  const reference = referenceOf(url);
  if (foreign && foreign.agencies + foreign.users + foreign.jobs > 0 && named !== reference) {
    throw new Refusal(
      `The project holds what the seed did not make: ${foreign.agencies} agencies, ${foreign.users} users, ` +
        `${foreign.jobs} jobs. If you mean it nevertheless: --project-ref=${reference}`,
    );
  }
}

/** Takes away what tests have added, in this run or in one that was killed. */
async function takeAway(sql: postgres.Sql): Promise<number> {
  return await sql.begin(async (transaction) => {
    await transaction`delete from auth.audit_log_entries where payload::text like ${`%${TEST_USERS}@${TEST_DOMAIN}%`}`;
    const users = await transaction`
      delete from auth.users
      where  id::text like ${TEST_USERS}
      and    email    like ${`%@${TEST_DOMAIN}`}`;
    const agencies = await transaction`delete from public.agencies where id::text like ${TEST_AGENCIES}`;
    return users.count + agencies.count;
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
    `--preload=${pathOf("../local/task_process.ts", import.meta.url)}`,
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
  const sql = postgres(DATABASE_URL, { max: 1, max_lifetime: null, onnotice: () => {} });
  try {
    const [lock] = await sql`select pg_try_advisory_lock(hashtext('get-sync-status test:project')) as free`
      .catch((error) => {
        throw new Refusal(
          `The database that DATABASE_URL names can't be reached: ${error.message || error.code}.`,
        );
      });
    if (!lock?.free) throw new Refusal("Another run is under way on this project.");
    const left = await takeAway(sql);
    if (left) console.log(`Took away ${left} agencies and users that an earlier run had left.`);
    await look(sql, url, values["project-ref"]);
    // Self-hosted projects keep it there.
    const [settings] = await sql`select current_setting('app.settings.jwt_secret', true) as secret`;
    try {
      console.log(`Testing ${url + FUNCTION_PATH} …`);
      return await runTests({
        url,
        publishableKey: SUPABASE_PUBLISHABLE_KEY,
        databaseUrl: DATABASE_URL,
        secret: SUPABASE_JWT_SECRET ?? settings?.secret ?? undefined,
      });
    } finally {
      console.log(`Took away the ${await takeAway(sql)} agencies and users that the tests had added.`);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

try {
  Deno.exit(await main());
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
