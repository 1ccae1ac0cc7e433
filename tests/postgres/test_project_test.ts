/**
 * `deno task test:project` does no harm to the project that it tests. Here that
 * is the local stack on the server that DATABASE_URL names.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import postgres from "postgres";
import { databaseServer } from "../../local/database.ts";
import { cleanEnvironment, pathOf } from "../../local/commands.ts";
import { JWT_SECRET, PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { TEST_AGENCIES } from "../../testing/project.ts";
import { leftOut, test, until } from "../../testing/helpers.ts";

const LIMIT_MS = 300_000;

if (databaseServer()) await onServer();
else leftOut("test:project does no harm", "DATABASE_URL names no PostgreSQL server");

async function onServer(): Promise<void> {
  const stack = await startStack();
  const sql = postgres(stack.databaseUrl ?? "", { max: 1, onnotice: () => {} });
  Deno.test.afterAll(async () => {
    await sql.end({ timeout: 5 });
    await stack.stop();
  });

  /** Every row of every table. */
  const everything = async () => {
    const tables = await sql<{ name: string }[]>`
      select format('%I.%I', schemaname, tablename) as name
      from   pg_tables
      where  schemaname not in ('pg_catalog', 'information_schema')
      order by name`;
    const rows = new Map<string, unknown>();
    for (const { name } of tables) {
      rows.set(name, await sql.unsafe(`select to_jsonb(t) as row from ${name} as t order by 1`));
    }
    return rows;
  };

  const start = () => {
    const child = spawn(Deno.execPath(), [
      "run",
      "--quiet",
      "--allow-all",
      `--preload=${pathOf("../../local/task_process.ts", import.meta.url)}`,
      pathOf("../../scripts/test_project.ts", import.meta.url),
    ], {
      env: {
        ...cleanEnvironment(),
        NO_COLOR: "1",
        SUPABASE_URL: stack.url,
        SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY,
        SUPABASE_JWT_SECRET: JWT_SECRET,
        DATABASE_URL: stack.databaseUrl,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    let said = "";
    for (const output of [child.stdout, child.stderr]) output.on("data", (part) => said += part);
    return { kill: (signal: NodeJS.Signals) => child.kill(signal), ended, said: () => said };
  };
  /** Waits until the tests have added something. */
  const underWay = () =>
    until(
      async () => (await sql`select from public.agencies where id::text like ${TEST_AGENCIES}`).length > 0,
      60_000,
    );

  test("test:project tests everything on a project, and leaves every table as it was", async () => {
    const before = await everything();
    const run = start();
    assert.equal(await run.ended, 0, run.said());
    assert.match(run.said(), /\| (\d\d+) passed .*\| 0 failed/);
    assert.deepEqual(await everything(), before);
  }, LIMIT_MS);

  test("test:project leaves every table as it was when it is interrupted", async () => {
    const before = await everything();
    const run = start();
    await underWay();
    run.kill("SIGINT");
    assert.notEqual(await run.ended, 0);
    assert.match(run.said(), /Took away the \d+ agencies and users that the tests had added\./);
    assert.deepEqual(await everything(), before);
  }, LIMIT_MS);

  test("test:project takes away what a run has left that was killed", async () => {
    const before = await everything();
    const killed = start();
    await underWay();
    killed.kill("SIGKILL");
    // Not before its tests have ended too, which hold the same output.
    await killed.ended;
    assert.notDeepEqual(await everything(), before);
    const next = start();
    await until(() => next.said().includes("Testing "));
    next.kill("SIGTERM");
    await next.ended;
    assert.match(next.said(), /^Took away \d+ agencies and users that an earlier run had left\./);
    assert.deepEqual(await everything(), before);
  }, LIMIT_MS);

  test(
    "test:project refuses a project that holds a row which the seed did not make, and changes nothing",
    async () => {
      await sql`insert into public.agencies (id, name) values ('0c000000-0000-4000-8000-00000000000c', 'Somebody''s')`;
      try {
        const before = await everything();
        const run = start();
        assert.equal(await run.ended, 1);
        const { host } = new URL(stack.url);
        assert.equal(
          run.said(),
          "The project holds what the seed did not make: 1 agencies, 0 users, 0 jobs. " +
            `If you mean it nevertheless: --project-ref=${host}\n`,
        );
        assert.deepEqual(await everything(), before);
      } finally {
        await sql`delete from public.agencies where name = 'Somebody''s'`;
      }
    },
    LIMIT_MS,
  );
}
