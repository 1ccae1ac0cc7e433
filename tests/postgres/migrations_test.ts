/**
 * What needs a real PostgreSQL server: the migrations through the Supabase CLI,
 * Supabase's advisors, and two transactions at once. DATABASE_URL names the
 * server; without it these are left out.
 */

import assert from "node:assert/strict";
import postgres from "postgres";
import { z } from "zod";
import { supabase } from "../../local/commands.ts";
import { databaseServer } from "../../local/database.ts";
import { apply, migrations, platform, seed } from "../../local/platform.ts";
import { createDatabase } from "../../local/postgres_server.ts";
import { leftOut, test, until } from "../support/helpers.ts";

const server = databaseServer();
if (server) await onServer(server);
else leftOut("migrations, advisors and races on a server", "DATABASE_URL names no PostgreSQL server");

async function onServer(server: string): Promise<void> {
  const { url, drop } = await createDatabase(server);
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  const run = (script: string) => sql.unsafe(script);
  await apply(await platform(), run);
  Deno.test.afterAll(async () => {
    await sql.end({ timeout: 5 });
    await drop();
  });

  const remote = new URL(url);
  remote.searchParams.set("sslmode", "disable");
  const cli = (...args: string[]) => supabase([...args, `--remote=${remote.href}`, "--yes"]);

  test("`supabase db push --remote` applies every migration to an empty project, and each once", async () => {
    const versions = (await migrations()).map((migration) => migration.name.split("_")[0]);
    for (let time = 0; time < 2; time++) {
      await cli("db", "push");
      const applied = await sql`select version from supabase_migrations.schema_migrations order by version`;
      assert.deepEqual(applied.map((row) => row.version), versions);
    }
  });

  test("seed.sql makes the four demo users", async () => {
    await apply([await seed()], run);
    const [users] = await sql`select count(*)::integer as number from public.users`;
    assert.equal(users?.number, 4);
  });

  const finding = z.object({ name: z.string(), detail: z.string() });

  test("`supabase db advisors` finds nothing but unused indexes", async () => {
    const printed = await cli("db", "advisors", "--level", "info", "--fail-on", "none");
    const findings = z.array(finding).parse(JSON.parse(printed.slice(printed.indexOf("["))));
    assert(findings.length > 0, "a new database always has unused indexes: the advisors did not run");
    assert.deepEqual(findings.filter(({ name }) => name !== "unused_index"), []);
  });

  test("historical_sync_jobs refuses one of two concurrent transactions that start a job for one agency", async () => {
    const [agency] = await sql`insert into public.agencies (name) values ('Race') returning id`;
    const start = async (transaction: postgres.TransactionSql) =>
      await transaction`
        insert into public.historical_sync_jobs (agency_id, date_from, date_to)
        values (${agency?.id}, '2025-01-01', '2025-02-01')`;
    let second: Promise<unknown> | undefined;
    await sql.begin(async (first) => {
      await start(first);
      second = sql.begin(start).then(() => "accepted", (error) => error.code);
      // The second one waits for the first to commit.
      let settled = false;
      second.finally(() => settled = true);
      await until(async () =>
        settled ||
        (await first`select from pg_locks where locktype = 'transactionid' and not granted`).length > 0
      );
    });
    assert.equal(await second, "23505");
    const [jobs] =
      await sql`select count(*)::integer as number from public.historical_sync_jobs where agency_id = ${agency?.id}`;
    assert.equal(jobs?.number, 1);
  });
}
