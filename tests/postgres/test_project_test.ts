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
import { reportSkipped, test, until } from "../support/helpers.ts";

if (databaseServer()) await onServer();
else reportSkipped("test:project", "DATABASE_URL names no PostgreSQL server");

async function onServer(): Promise<void> {
  const stack = await startStack();
  const database = new URL(stack.databaseUrl ?? "");
  const sql = postgres(database.href, { max: 1, onnotice: () => {} });
  Deno.test.afterAll(async () => {
    await sql.end({ timeout: 5 });
    await stack.stop();
  });

  const flag = `--project-ref=${new URL(stack.url).host}+${database.host}${database.pathname}`;
  const start = (changes: Record<string, string> = {}, args = [flag]) => {
    const script = pathOf("../run/test_project.ts", import.meta.url);
    const child = spawn(Deno.execPath(), ["run", "--quiet", "--allow-all", script, ...args], {
      env: {
        ...cleanEnvironment(),
        NO_COLOR: "1",
        SUPABASE_URL: stack.url,
        SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY,
        SUPABASE_JWT_SECRET: JWT_SECRET,
        DATABASE_URL: database.href,
        ...changes,
      },
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    let said = "";
    for (const output of [child.stdout, child.stderr]) output.on("data", (part) => said += part);
    return { kill: (signal: NodeJS.Signals) => child.kill(signal), ended, said: () => said };
  };
  const readEverything = () => sql`select database_to_xml(true, false, '')::text`;
  const leavesAll = (sentence: string, check: () => Promise<void>) =>
    test(`test:project ${sentence}, and leaves every table as it was`, async () => {
      const before = await readEverything();
      await check();
      assert.deepEqual(await readEverything(), before);
    }, 300_000);

  leavesAll("runs every test", async () => {
    const run = start();
    assert.equal(await run.ended, 0, run.said());
    assert.match(run.said(), /GET accepts a forged token[^]*\| \d\d+ passed .*\| 0 failed/);
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
    const next = start({ SUPABASE_JWT_SECRET: "another-secret-of-at-least-32-characters" });
    await until(() => next.said().includes("Testing "));
    await until(isUnderWay, 60_000);
    next.kill("SIGINT");
    assert.notEqual(await next.ended, 0);
    assert.match(next.said(), /^Removed \d+ agencies that an earlier run had left, and its users\./);
    assert.match(next.said(), /Auth refuses what SUPABASE_JWT_SECRET signs: no tests with forged tokens\./);
    assert.match(next.said(), /Removed the \d+ agencies that the tests had added, and their users\.\n$/);
  });

  const stranger = new URL(database);
  stranger.username = "authenticator";
  const hosted = "https://abcdefghijklmnopqrst.supabase.co";
  const pooler = "postgresql://postgres.abcdefghijklmnopqrst@pooler.test/postgres";
  const REFUSED: [what: string, changes: Record<string, string>, due: RegExp][] = [
    ["a project that --project-ref does not name", {}, /If you mean it: --project-ref=\S+\n$/],
    ["an empty environment", { SUPABASE_URL: "" }, /^Set SUPABASE_URL\.\n$/],
    ["one project's address and another's database", { SUPABASE_URL: hosted }, /name two projects/],
    ["one project's database and another's address", { DATABASE_URL: pooler }, /name two projects/],
    ["a pooler in transaction mode", { DATABASE_URL: "postgresql://u@127.0.0.1:6543/x" }, /is a pooler/],
    ["no server", { DATABASE_URL: "postgresql://127.0.0.1:9/x" }, /^DATABASE_URL must .*: .*\n$/],
    ["a database without the tables", { DATABASE_URL: new URL("postgres", database).href }, /push the migr/],
    ["a connection that is not the owner's", { DATABASE_URL: stranger.href }, /^[^\n]*be the owner's.*\n$/],
    ["an address without the function", { SUPABASE_URL: "http://127.0.0.1:9" }, /deploy it first\.\n$/],
  ];
  for (const [what, changes, due] of REFUSED) {
    leavesAll(`refuses ${what}`, async () => {
      const run = start(changes, []);
      assert.equal(await run.ended, 1);
      assert.match(run.said(), due);
    });
  }
}
