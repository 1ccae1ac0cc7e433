/**
 * `deno task test:project` leaves the project that it tests as it was. Here that
 * is the local stack on the server that DATABASE_URL names.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import postgres from "postgres";
import { cleanEnvironment, pathOf } from "../../local/commands.ts";
import { databaseServer } from "../../local/database.ts";
import { JWT_SECRET, PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { leftOut, test, until } from "../support/helpers.ts";

const LIMIT_MS = 300_000;

if (databaseServer()) await onServer();
else leftOut("test:project", "DATABASE_URL names no PostgreSQL server");

async function onServer(): Promise<void> {
  const stack = await startStack();
  const database = stack.databaseUrl ?? "";
  const sql = postgres(database, { max: 1, onnotice: () => {} });
  Deno.test.afterAll(async () => {
    await sql.end({ timeout: 5 });
    await stack.stop();
  });

  const readEverything = async () => {
    const tables = await sql<{ name: string }[]>`
      select format('%I.%I', schemaname, tablename) as name from pg_tables
      where  schemaname not in ('pg_catalog', 'information_schema') order by name`;
    return await Promise.all(
      tables.map(async (
        { name },
      ) => [name, await sql.unsafe(`select to_jsonb(t) from ${name} as t order by 1`)]),
    );
  };
  const start = (changes: Record<string, string> = {}, ...args: string[]) => {
    const preload = `--preload=${pathOf("../../local/task_process.ts", import.meta.url)}`;
    const script = pathOf("../../scripts/test_project.ts", import.meta.url);
    const child = spawn(Deno.execPath(), ["run", "--quiet", "--allow-all", preload, script, ...args], {
      env: {
        ...cleanEnvironment(),
        NO_COLOR: "1",
        SUPABASE_URL: stack.url,
        SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY,
        SUPABASE_JWT_SECRET: JWT_SECRET,
        DATABASE_URL: database,
        ...changes,
      },
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    let said = "";
    for (const output of [child.stdout, child.stderr]) output.on("data", (part) => said += part);
    return { kill: (signal: NodeJS.Signals) => child.kill(signal), ended, said: () => said };
  };
  const leavesAll = (sentence: string, check: () => Promise<void>) =>
    test(`test:project ${sentence}, and leaves every table as it was`, async () => {
      const before = await readEverything();
      await check();
      assert.deepEqual(await readEverything(), before);
    }, LIMIT_MS);

  leavesAll("runs every test", async () => {
    const run = start();
    assert.equal(await run.ended, 0, run.said());
    assert.match(run.said(), /\| (\d\d+) passed .*\| 0 failed/);
    assert.match(run.said(), /GET answers 401 with an expired token/);
  });

  leavesAll("removes what a killed run has left and what it has added when it is interrupted", async () => {
    const isUnderWay = async () =>
      (await sql`select from public.agencies where id::text like 'a0000000-7e57-4%'`).length > 3;
    const killed = start();
    await until(isUnderWay, 60_000);
    const second = start();
    assert.equal(await second.ended, 1);
    assert.equal(second.said(), "Another run is under way on this project.\n");
    killed.kill("SIGKILL");
    // Its tests hold the same output, so they have ended too.
    await killed.ended;
    const next = start();
    await until(() => next.said().includes("Testing "));
    await until(isUnderWay, 60_000);
    next.kill("SIGINT");
    assert.notEqual(await next.ended, 0);
    assert.match(next.said(), /^Removed \d+ agencies and users that an earlier run had left\./);
    assert.match(next.said(), /Removed the \d+ agencies and users that the tests had added\.\n$/);
  });

  leavesAll("refuses a project with a row that seed.sql did not make unless it is named", async () => {
    await sql`insert into public.agencies (id, name) values ('0c000000-0000-4000-8000-00000000000c', 'Somebody''s')`;
    try {
      const run = start();
      assert.equal(await run.ended, 1);
      const [, flag = ""] = /made: 1 agencies\..*: (--project-ref=\S+)\n$/.exec(run.said()) ?? [];
      const named = start({}, flag);
      await until(() => named.said().includes("Testing "));
      named.kill("SIGTERM");
      await named.ended;
    } finally {
      await sql`delete from public.agencies where name = 'Somebody''s'`;
    }
  });

  leavesAll("skips the tests with forged tokens if Auth refuses the secret", async () => {
    const run = start({ SUPABASE_JWT_SECRET: "another-secret-of-at-least-32-characters" });
    await until(() => run.said().includes("Testing "));
    run.kill("SIGTERM");
    await run.ended;
    assert.match(run.said(), /Auth refuses what SUPABASE_JWT_SECRET signs/);
  });

  const refuses = (sentence: string, changes: Record<string, string>, due: RegExp) =>
    leavesAll(`refuses ${sentence}`, async () => {
      const run = start(changes);
      assert.equal(await run.ended, 1);
      assert.match(run.said(), due);
    });
  const stranger = new URL(database);
  stranger.username = "authenticator";
  const empty = new URL("postgres", database).href;
  const [a, b] = ["a".repeat(20), "b".repeat(20)];
  const hosted = {
    SUPABASE_URL: `https://${a}.supabase.co`,
    DATABASE_URL: `postgresql://x.${b}@pooler.test/postgres`,
  };
  refuses(
    "an empty environment",
    { SUPABASE_URL: "", SUPABASE_PUBLISHABLE_KEY: "" },
    /^Set SUPABASE_URL, SUPABASE_P/,
  );
  refuses("the address of one project and the database of another", hosted, /name two projects/);
  refuses(
    "a pooler in transaction mode",
    { DATABASE_URL: "postgresql://u@127.0.0.1:6543/x" },
    /names a pooler/,
  );
  refuses(
    "a database without the endpoint's tables",
    { DATABASE_URL: empty },
    /push the migrations first\.\n$/,
  );
  refuses(
    "a connection that is not the owner's",
    { DATABASE_URL: stranger.href },
    /^[^\n]*be the owner's connection.*\n$/,
  );
  refuses("an address without the function", { SUPABASE_URL: "http://127.0.0.1:9" }, /deploy it first\.\n$/);
}
