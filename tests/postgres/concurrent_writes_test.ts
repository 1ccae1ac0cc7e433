import assert from "node:assert/strict";
import postgres from "postgres";
import { pathOf } from "../../local/commands.ts";
import { createDatabase, databaseServer } from "../../local/database.ts";
import { apply, platform, project } from "../../local/platform.ts";
import { reportSkipped, test, until } from "../support/helpers.ts";

const USER = "b0000000-0000-4000-8000-000000000001";
const ONE = "a0000000-0000-4000-8000-000000000001";
const TWO = "a0000000-0000-4000-8000-000000000002";

const server = databaseServer();
if (!server) reportSkipped("writes at the same time", "DATABASE_URL names no PostgreSQL server");

/** Hands a new database to a test, as its owner. */
function testDatabase(sentence: string, check: (sql: postgres.Sql) => Promise<void>): void {
  if (!server) return;
  test(sentence, async () => {
    const { url, drop } = await createDatabase(server);
    const sql = postgres(url, { onnotice: () => {} });
    try {
      await check(sql);
    } finally {
      await sql.end({ timeout: 5 });
      await drop();
    }
  });
}

/** Waits until a transaction waits for another. */
async function untilBlocked(sql: postgres.Sql): Promise<void> {
  const blocked = () =>
    sql`select from pg_stat_activity
        where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`;
  await until(async () => (await blocked()).length > 0);
}

testDatabase("a user does not get back the row that the back end is deleting", async (sql) => {
  await apply(await project(), (script) => sql.unsafe(script));
  await sql.unsafe(`
    insert into auth.users (id, is_sso_user) values ('${USER}', false);
    insert into public.agencies (id, name) values ('${ONE}', 'One');
    insert into public.users (id, agency_id) values ('${USER}', '${ONE}');
    grant insert on public.users to authenticated;
    create policy "People insert their own row" on public.users for insert with check (auth.uid() = id)`);
  const insertOwnRow = `
    set role authenticated; set request.jwt.claims = '{"sub": "${USER}"}';
    insert into public.users (id, agency_id) values ('${USER}', '${ONE}')`;
  let refused = Promise.resolve();
  await sql.begin(async (backEnd) => {
    await backEnd`delete from public.users`;
    refused = assert.rejects(sql.unsafe(insertOwnRow), { code: "42501" });
    await untilBlocked(sql);
  });
  await refused;
});

testDatabase("users_column follows memberships that change at the same time", async (sql) => {
  await apply(await platform(), (script) => sql.unsafe(script));
  await sql.unsafe(`
    create table public.organizations (id uuid primary key);
    create table public.users (id uuid primary key);
    create table public.members (user_id uuid, organization_id uuid, created_at timestamptz default now());
    insert into public.organizations values ('${ONE}'), ('${TWO}');
    insert into public.users values ('${USER}');
    insert into public.members values ('${USER}', '${ONE}')`);
  for (const form of ["users_column", "users_column_from_members"]) {
    await sql.file(pathOf(`../../examples/first_migration/${form}.sql`, import.meta.url));
  }
  const agency = async () => (await sql`select agency_id from public.users`)[0]?.agency_id;
  assert.equal(await agency(), ONE);
  const joining = sql`insert into public.members values (${USER}, ${TWO})`;
  await sql.begin(async (leaving) => {
    await leaving`delete from public.members`;
    joining.execute();
    await untilBlocked(sql);
  });
  await joining;
  assert.equal(await agency(), TWO);
});
