/**
 * `deno task test:project` leaves the project that it tests as it was. Here that
 * is the local stack on the server that DATABASE_URL names.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import postgres from "postgres";
import { databaseServer } from "../../local/database.ts";
import { cleanEnvironment, pathOf } from "../../local/commands.ts";
import { JWT_SECRET, PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { TEST_AGENCIES } from "../support/project.ts";
import { leftOut, test, until } from "../support/helpers.ts";

const LIMIT_MS = 300_000;

if (databaseServer()) await onServer();
else leftOut("test:project", "DATABASE_URL names no PostgreSQL server");

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

  const start = (changes: Record<string, string> = {}, ...args: string[]) => {
    const child = spawn(Deno.execPath(), [
      "run",
      "--quiet",
      "--allow-all",
      pathOf("../../scripts/test_project.ts", import.meta.url),
      ...args,
    ], {
      env: {
        ...cleanEnvironment(),
        NO_COLOR: "1",
        SUPABASE_URL: stack.url,
        SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY,
        SUPABASE_JWT_SECRET: JWT_SECRET,
        DATABASE_URL: stack.databaseUrl,
        ...changes,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    let said = "";
    for (const output of [child.stdout, child.stderr]) output.on("data", (part) => said += part);
    return { kill: (signal: NodeJS.Signals) => child.kill(signal), ended, said: () => said };
  };
  /** Waits until the tests have added more agencies than the run's own first check. */
  const underWay = () =>
    until(
      async () => (await sql`select from public.agencies where id::text like ${TEST_AGENCIES}`).length > 3,
      60_000,
    );

  test("test:project runs every test, and leaves every table as it was", async () => {
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

  test("test:project removes what a killed run has left", async () => {
    const before = await everything();
    const killed = start();
    await underWay();
    killed.kill("SIGKILL");
    // Its tests hold the same output, so they have ended too.
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
    "test:project refuses a project with a row that seed.sql did not make, and changes nothing",
    async () => {
      await sql`insert into public.agencies (id, name) values ('0c000000-0000-4000-8000-00000000000c', 'Somebody''s')`;
      try {
        const before = await everything();
        const run = start();
        assert.equal(await run.ended, 1);
        const { host } = new URL(stack.url);
        const database = new URL(stack.databaseUrl ?? "");
        assert.equal(
          run.said(),
          "The project holds what neither the seed nor a test made: 1 agencies. " +
            `If you mean it nevertheless: --project-ref=${host}+${database.host}${database.pathname}\n`,
        );
        assert.deepEqual(await everything(), before);
      } finally {
        await sql`delete from public.agencies where name = 'Somebody''s'`;
      }
    },
    LIMIT_MS,
  );

  const refusing = (sentence: string, changes: Record<string, string>, due: RegExp) =>
    test(`test:project refuses ${sentence}`, async () => {
      const before = await everything();
      const run = start(changes);
      assert.equal(await run.ended, 1);
      assert.match(run.said(), due);
      assert.deepEqual(await everything(), before);
    }, LIMIT_MS);

  const other = new URL(stack.databaseUrl ?? "");
  other.pathname = "postgres";
  refusing(
    "a database without the endpoint's tables",
    { DATABASE_URL: other.href },
    /lacks the endpoint's tables: push the migrations first\.\n$/,
  );
  refusing(
    "a pooler in transaction mode",
    { DATABASE_URL: "postgresql://u@127.0.0.1:6543/postgres" },
    /names a pooler in transaction mode/,
  );
  refusing(
    "an address without the function",
    { SUPABASE_URL: "http://127.0.0.1:9" },
    /does not answer as the function does: deploy it first\.\n$/,
  );
  refusing(
    "the address of one hosted project and the database of another",
    {
      DATABASE_URL: `postgresql://postgres.${"b".repeat(20)}@pooler.test:5432/postgres`,
      SUPABASE_URL: `https://${"a".repeat(20)}.supabase.co`,
    },
    /SUPABASE_URL and DATABASE_URL name two projects/,
  );
  refusing(
    "an empty environment",
    { SUPABASE_URL: "", SUPABASE_PUBLISHABLE_KEY: "" },
    /^Set SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY/,
  );

  test(
    "test:project refuses an address and a database of two projects, and removes its first check's rows",
    async () => {
      const production = await startStack();
      try {
        const before = await everything();
        const run = start({ SUPABASE_URL: production.url });
        assert.equal(await run.ended, 1);
        assert.match(
          run.said(),
          /A user who was added to the database can't sign in at .* Are they one project\?/,
        );
        assert.deepEqual(await everything(), before);
      } finally {
        await production.stop();
      }
    },
    LIMIT_MS,
  );

  test(
    "test:project refuses a project whose triggers keep rows from being removed, before it adds any",
    async () => {
      await sql`create table private.bills (agency_id uuid references public.agencies (id))`;
      await sql`
      create function private.bill() returns trigger language plpgsql as
      'begin insert into private.bills values (new.id); return null; end'`;
      await sql`create trigger bill after insert on public.agencies for each row execute function private.bill()`;
      try {
        const before = await everything();
        const seen = start();
        assert.equal(await seen.ended, 1);
        assert.match(seen.said(), /1 triggers\. If you mean it nevertheless: --project-ref=(\S+)/);
        const [, reference = ""] = /--project-ref=(\S+)/.exec(seen.said()) ?? [];
        const named = start({}, `--project-ref=${reference}`);
        assert.equal(await named.ended, 1);
        assert.match(
          named.said(),
          /can't be added to this project and taken away again: .*violates foreign key constraint/,
        );
        assert.deepEqual(await everything(), before);
      } finally {
        await sql`drop trigger bill on public.agencies`;
        await sql`drop function private.bill`;
        await sql`drop table private.bills`;
      }
    },
    LIMIT_MS,
  );
}
