/**
 * Databases of one's own on a throw-away PostgreSQL server.
 *
 * @module
 */

import postgres from "postgres";

/**
 * Makes an empty database on a server.
 *
 * @param server the address of the server, as a superuser
 * @returns the new database's address, and what drops it
 * @throws {Error} with one sentence if the server can't be used
 */
export async function createDatabase(server: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `get_sync_status_${crypto.randomUUID().replaceAll("-", "")}`;
  const url = new URL(server);
  url.pathname = name;
  const admin = postgres(server, { max: 1, onnotice: () => {} });
  try {
    await admin.unsafe(`create database ${name}`);
  } catch (error) {
    await admin.end();
    const reason = error instanceof Error ? error.message || error.name : error;
    throw new Error(`The PostgreSQL server that DATABASE_URL names can't be used: ${reason}.`, {
      cause: error,
    });
  }
  return {
    url: url.href,
    async drop() {
      await admin.unsafe(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}
