/**
 * Databases of one's own on a PostgreSQL server, beside whatever else is there.
 *
 * @module
 */

import postgres from "postgres";
import { rolesSql } from "./platform.ts";

/** All databases made here, and no other, have such a name. */
const PREFIX = "get_sync_status_";

/** Marks the API roles that were made here; roles.sql sets it. */
const ROLE_MARK = "Made by get-sync-status";

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
 * @throws {Error} with one sentence where the server can't be reached
 */
export async function createDatabase(server: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = PREFIX + crypto.randomUUID().replaceAll("-", "");
  // Its session stands for this run: who finds a database without one knows that its run was killed.
  const session = postgres(server, {
    max: 1,
    max_lifetime: null,
    onnotice: () => {},
    connection: { application_name: name },
  });
  try {
    await alone(session, async () => {
      await dropAbandoned(session);
      await session.unsafe(await rolesSql());
      await session.unsafe(`create database ${name}`);
    });
  } catch (error) {
    await session.end();
    throw new Error(
      `The PostgreSQL server that DATABASE_URL names can't be used: ${
        error instanceof Error ? error.message || error.name : error
      }.`,
      { cause: error },
    );
  }
  const url = new URL(server);
  url.pathname = name;
  return {
    url: url.href,
    async drop() {
      await alone(session, async () => {
        await session.unsafe(`drop database ${name} with (force)`);
        await dropRoles(session);
      });
      await session.end();
    },
  };
}

/**
 * Runs a change to the server while no other run makes one: databases and
 * roles are of the whole server.
 */
async function alone(session: postgres.Sql, change: () => Promise<unknown>): Promise<void> {
  await session`select pg_advisory_lock(hashtext(${PREFIX}))`;
  try {
    await change();
  } finally {
    await session`select pg_advisory_unlock(hashtext(${PREFIX}))`;
  }
}

async function dropAbandoned(session: postgres.Sql): Promise<void> {
  const abandoned = await session<{ datname: string }[]>`
    select datname
    from   pg_database
    where  starts_with(datname, ${PREFIX})
    and    datname not in (select application_name from pg_stat_activity)`;
  for (const { datname } of abandoned) await session.unsafe(`drop database ${datname} with (force)`);
}

async function dropRoles(session: postgres.Sql): Promise<void> {
  const made = await session<{ rolname: string }[]>`
    select rolname
    from   pg_roles
    where  rolname = any (${ROLES})
    and    shobj_description(oid, 'pg_authid') = ${ROLE_MARK}
    and    not exists (select from pg_database where starts_with(datname, ${PREFIX}))`;
  // A role that another database uses by now stays.
  if (made.length) {
    await session.unsafe(`drop role ${made.map(({ rolname }) => rolname).join()}`).catch(() => {});
  }
}
