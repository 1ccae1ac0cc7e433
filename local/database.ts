import { createPgliteConnection, type PgliteConnection } from "@supabase/lite/pglite";
import { createPostgresConnection, type PostgresConnection } from "@supabase/lite/postgres";
import postgres from "postgres";
import { apply, project, seed } from "./platform.ts";

/** A database with the migrations and the seed, in PGlite or on a server. */
export interface Database {
  /** Its address, if it is on a server. */
  url?: string;
  /** What @supabase/lite works on. */
  connection: PgliteConnection | PostgresConnection;
  /** Runs a task on the connection; on PGlite, which has one session, after the earlier ones. */
  inTurn<T>(task: () => Promise<T>): Promise<T>;
  /** Runs SQL as the owner, in turn. */
  query(statement: string, parameters?: unknown[]): Promise<unknown[]>;
  /** Ends it, and drops one that was made on a server. */
  stop(): Promise<void>;
}

/**
 * The PostgreSQL server that DATABASE_URL names, if any.
 *
 * @throws {Error} if it names something else
 */
export function databaseServer(): string | undefined {
  const server = Deno.env.get("DATABASE_URL");
  if (!server) return undefined;
  if (/^postgres(ql)?:\/\//.test(server) && URL.canParse(server)) return server;
  throw new Error(
    "DATABASE_URL must be the address of a PostgreSQL server: postgresql://user:password@host:port/database",
  );
}

/**
 * Makes an empty database on a server, as a superuser.
 *
 * @throws {Error} with one sentence if the server can't be used
 */
export async function createDatabase(server: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `get_sync_status_${crypto.randomUUID().replaceAll("-", "")}`;
  const admin = postgres(server, { max: 1, onnotice: () => {} });
  try {
    await admin.unsafe(`create database ${name}`);
  } catch (error) {
    await admin.end();
    throw new Error(`The PostgreSQL server that DATABASE_URL names can't be used: ${error}.`);
  }
  const url = new URL(server);
  url.pathname = name;
  return {
    url: url.href,
    async drop() {
      await admin.unsafe(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}

/** Makes one on the {@link databaseServer}, or else an embedded one. */
export function startDatabase(): Promise<Database> {
  const server = databaseServer();
  return server ? onServer(server) : embedded();
}

/** Keeps lite from granting the API roles everything: the migrations decide. */
function withOwnGrants<Connection extends object>(connection: Connection): Connection {
  return Object.assign(connection, { rlsState: "active" });
}

async function onServer(server: string): Promise<Database> {
  const { url, drop } = await createDatabase(server);
  const database = openDatabase(url);
  await apply([...await project(), await seed()], database.query);
  return { ...database, stop: () => database.stop().then(drop) };
}

/** Opens one that is there already, as its owner. */
export function openDatabase(url: string): Database {
  const owner = postgres(url, { max: 1, onnotice: () => {} });
  const connection = createPostgresConnection({ url, postgresOptions: { onnotice: () => {} } });
  return {
    url,
    connection: withOwnGrants(connection),
    inTurn: (task) => task(),
    query: (statement, parameters) => owner.unsafe(statement, parameters as string[]),
    async stop() {
      await connection.close();
      await owner.end({ timeout: 5 });
    },
  };
}

async function embedded(): Promise<Database> {
  const connection = await createPgliteConnection({});
  const { driver } = connection;
  await apply([...await project(), await seed()], (sql) => driver.exec(sql));
  const inTurn = queue();
  return {
    connection: withOwnGrants(connection),
    inTurn,
    query: (statement, parameters) => inTurn(async () => (await driver.query(statement, parameters)).rows),
    stop: () => connection.close(),
  };
}

/** Lets one task at a time run: in one session, transactions would interleave. */
function queue(): Database["inTurn"] {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => {});
    return result;
  };
}
