import assert from "node:assert/strict";
import postgres from "postgres";
import { createDatabase, databaseServer } from "../../local/database.ts";
import { apply, platform, project } from "../../local/platform.ts";
import { reportSkipped, test, until } from "../support/helpers.ts";

const USER = "b0000000-0000-4000-8000-000000000001";
const ONE = "a0000000-0000-4000-8000-000000000001";
const TWO = "a0000000-0000-4000-8000-000000000002";
const FORMS = new URL("../../examples/first_migration/", import.meta.url);

const server = databaseServer();
if (!server) reportSkipped("writes at the same time", "DATABASE_URL names no PostgreSQL server");

/** Runs a test with three sessions as the owner of a new database. */
function testSessions(
  sentence: string,
  check: (...sessions: [postgres.Sql, postgres.Sql, postgres.Sql]) => Promise<void>,
) {
  if (!server) return;
  test(sentence, async () => {
    const { url, drop } = await createDatabase(server);
    const connect = () => postgres(url, { max: 1, onnotice: () => {} });
    const sessions = [connect(), connect(), connect()] as const;
    try {
      await check(...sessions);
    } finally {
      for (const session of sessions) await session.end({ timeout: 5 });
      await drop();
    }
  });
}

/** Waits until a session of this database waits for another. */
const untilBlocked = (sql: postgres.Sql) =>
  until(async () => {
    const blocked = await sql`
      select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`;
    return blocked.length > 0;
  });

testSessions(
  "a user whose row the back end is deleting does not get it back",
  async (backEnd, user, observer) => {
    await apply(await project(), (script) => backEnd.unsafe(script));
    await backEnd.unsafe(`
    insert into auth.users (id, is_sso_user) values ('${USER}', false);
    insert into public.agencies (id, name) values ('${ONE}', 'One');
    insert into public.users (id, agency_id) values ('${USER}', '${ONE}');
    grant insert on public.users to authenticated;
    create policy "People insert their own row" on public.users for insert with check (auth.uid() = id)`);
    await backEnd.unsafe(`begin; delete from public.users where id = '${USER}'`).simple();
    const refused = assert.rejects(
      user.unsafe(`
      begin; set local role authenticated; set local request.jwt.claims = '{"sub": "${USER}"}';
      insert into public.users (id, agency_id) values ('${USER}', '${ONE}'); commit`).simple(),
      { code: "42501" },
    );
    await untilBlocked(observer);
    await backEnd`commit`;
    await refused;
  },
);

testSessions(
  "users_column_from_members.sql follows memberships that change at the same time",
  async (leaving, joining, observer) => {
    const form = (name: string) => Deno.readTextFile(new URL(name, FORMS));
    await apply(await platform(), (script) => leaving.unsafe(script));
    await leaving.unsafe(`
    create table public.organizations (id uuid primary key);
    create table public.users (id uuid primary key);
    create table public.members (user_id uuid, organization_id uuid, created_at timestamptz default now());
    insert into public.organizations values ('${ONE}'), ('${TWO}');
    insert into public.users values ('${USER}');
    insert into public.members values ('${USER}', '${ONE}')`);
    await leaving.unsafe(await form("users_column.sql") + await form("users_column_from_members.sql"));
    const agency = async () => (await observer`select agency_id from public.users`)[0]?.agency_id;
    assert.equal(await agency(), ONE);
    await leaving.unsafe(`begin; delete from public.members`).simple();
    const joined = joining.unsafe(`insert into public.members values ('${USER}', '${TWO}')`).execute();
    await untilBlocked(observer);
    await leaving`commit`;
    await joined;
    assert.equal(await agency(), TWO);
  },
);
