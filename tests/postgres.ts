/**
 * What needs a real PostgreSQL server: the migrations through the Supabase CLI,
 * Supabase's advisors, and two transactions at once. `deno task test:postgres`,
 * with DATABASE_URL naming a throwaway server and a superuser; it makes and
 * drops a database of its own there. `.ci/run` starts such a server.
 */

import assert from "node:assert/strict";
import postgres from "postgres";
import { z } from "zod";
import { migrations, platformSql, seedSql } from "../local/platform.ts";
import { run } from "../local/run.ts";

const server = z.url({ error: "DATABASE_URL must name a PostgreSQL server" }).parse(
  Deno.env.get("DATABASE_URL"),
);
const name = `get_sync_status_${crypto.randomUUID().replaceAll("-", "")}`;
const admin = postgres(server, { max: 1, onnotice: () => {} });
await admin.unsafe(`create database ${name}`);

const url = new URL(server);
url.pathname = name;
url.searchParams.set("sslmode", "disable");
const sql = postgres(url.href, { max: 2, ssl: false, onnotice: () => {} });
await sql.unsafe(await platformSql());

Deno.test.afterAll(async () => {
  await sql.end();
  await admin.unsafe(`drop database ${name} with (force)`);
  await admin.unsafe("drop role authenticator, anon, authenticated, service_role");
  await admin.end();
});

const supabase = (...args: string[]) =>
  run("npx", ["-y", "supabase@3.1.0", ...args, `--remote=${url.href}`, "--yes"]);

/** A test that starts the CLI, whose processes outlive what the sanitizers look at. */
function test(sentence: string, fn: () => Promise<void>): void {
  Deno.test({ name: sentence, fn, sanitizeOps: false, sanitizeResources: false });
}

test("the Supabase CLI applies every migration to an empty project, and each once", async () => {
  const versions = (await migrations()).map((migration) => migration.name.split("_")[0]);
  for (let time = 0; time < 2; time++) {
    await supabase("migration", "up");
    const applied = await sql`select version from supabase_migrations.schema_migrations order by version`;
    assert.deepEqual(applied.map((row) => row.version), versions);
  }
});

test("the seed makes the demo users", async () => {
  await sql.unsafe(await seedSql());
  const [users] = await sql`select count(*)::integer as number from public.users`;
  assert.equal(users?.number, 4);
});

const finding = z.object({ name: z.string(), detail: z.string() });

test("Supabase's advisors find nothing but indexes that nothing has used yet", async () => {
  const printed = await supabase("db", "advisors", "--level", "info", "--fail-on", "none");
  const findings = z.array(finding).parse(JSON.parse(printed.slice(printed.indexOf("["))));
  assert(findings.length > 0, "a new database always has unused indexes: the advisors did not run");
  assert.deepEqual(findings.filter(({ name }) => name !== "unused_index"), []);
});

test("of two transactions that start a job for one agency at once, one is refused", async () => {
  const [agency] = await sql`insert into public.agencies (name) values ('Race') returning id`;
  const start = async (transaction: postgres.TransactionSql) =>
    await transaction`
      insert into public.historical_sync_jobs (agency_id, date_from, date_to)
      values (${agency?.id}, '2025-01-01', '2025-02-01')`;
  let second: Promise<unknown> | undefined;
  await sql.begin(async (first) => {
    await start(first);
    second = sql.begin(start).then(() => "accepted", (error) => error.code);
    // The second one has to wait for the first before it can know.
    let settled = false;
    second.finally(() => settled = true);
    while (!settled && !(await first`select from pg_locks where not granted`).length);
  });
  assert.equal(await second, "23505");
  const [jobs] =
    await sql`select count(*)::integer as number from public.historical_sync_jobs where agency_id = ${agency?.id}`;
  assert.equal(jobs?.number, 1);
});
