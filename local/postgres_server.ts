/**
 * Databases of one's own on a PostgreSQL server, beside whatever else is there.
 *
 * @module
 */

import postgres from "postgres";
import { apply, roles } from "./platform.ts";

const PREFIX = "get_sync_status_";

/** Marks what was made here: databases by a comment, the API roles by the same in roles.sql. */
const MARK = "Made by get-sync-status";

const ROLES = ["authenticator", "anon", "authenticated", "service_role"];

/**
 * Makes an empty database, and the API roles where the server lacks them.
 *
 * Takes away what earlier runs left there that were killed. Several runs at
 * once do not disturb each other.
 *
 * @param server the address of the server, as a superuser
 * @returns the new database's address, and what drops it: with it the API
 * roles, where they were made here and no other run needs them
 * @throws {Error} with one sentence where the server can't be used
 */
export async function createDatabase(server: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = PREFIX + crypto.randomUUID().replaceAll("-", "");
  const url = new URL(server);
  url.pathname = name;
  // Databases and roles are of the whole server, but locks are of one database: all runs meet in this one.
  const meeting = new URL(server);
  meeting.pathname = "postgres";
  const admin = postgres(meeting.href, { max: 1, max_lifetime: null, idle_timeout: 0, onnotice: () => {} });
  // A session in the new database shows other runs that this one still uses it.
  const user = postgres(url.href, { max: 1, max_lifetime: null, idle_timeout: 0, onnotice: () => {} });
  try {
    await alone(admin, async () => {
      await dropAbandoned(admin);
      await apply([await roles()], (sql) => admin.unsafe(sql));
      await admin.unsafe(`create database ${name}`);
      await admin.unsafe(`comment on database ${name} is '${MARK}'`);
      await user`select set_config('idle_session_timeout', '0', false)`;
    });
  } catch (error) {
    await Promise.all([admin.end(), user.end()]);
    const reason = error instanceof Error ? error.message || error.name : error;
    throw new Error(`The PostgreSQL server that DATABASE_URL names can't be used: ${reason}.`, {
      cause: error,
    });
  }
  return {
    url: url.href,
    async drop() {
      await user.end({ timeout: 5 });
      await alone(admin, async () => {
        await admin.unsafe(`drop database ${name} with (force)`);
        await dropRoles(admin);
      });
      await admin.end();
    },
  };
}

/** Runs a change to the server while no other run makes one. */
async function alone(session: postgres.Sql, change: () => Promise<unknown>): Promise<void> {
  await session`select pg_advisory_lock(hashtext(${MARK}))`;
  try {
    await change();
  } finally {
    await session`select pg_advisory_unlock(hashtext(${MARK}))`;
  }
}

/** Databases that were made here. */
const made = (session: postgres.Sql) =>
  session`
    select oid, datname
    from   pg_database
    where  datname ~ ${`^${PREFIX}[0-9a-f]{32}$`}
    and    shobj_description(oid, 'pg_database') = ${MARK}`;

async function dropAbandoned(session: postgres.Sql): Promise<void> {
  const used = await session`select datid from pg_stat_activity where datid is not null`;
  for (const { oid, datname } of await made(session)) {
    if (!used.some(({ datid }) => datid === oid)) {
      await session.unsafe(`drop database ${datname} with (force)`);
    }
  }
}

/** Drops the roles that were made here, where no other run needs them and nobody else has made use of them. */
async function dropRoles(session: postgres.Sql): Promise<void> {
  if ((await made(session)).length) return;
  const unused = await session<{ rolname: string }[]>`
    select rolname
    from   pg_roles
    where  rolname = any (${ROLES})
    and    shobj_description(oid, 'pg_authid') = ${MARK}
    and    not exists (
             select from pg_auth_members
             where  roleid = pg_roles.oid
             and    member::regrole::text <> all (${ROLES})
           )
    order by array_position(${ROLES}, rolname::text)`;
  // One by one: a role that another database uses by now stays, and no other with it.
  for (const { rolname } of unused) await session.unsafe(`drop role ${rolname}`).catch(() => {});
}
