/**
 * The database of the local stack: PostgreSQL in WebAssembly (PGlite), or one
 * of its own on the server that DATABASE_URL names. All that differs between
 * the two is here.
 *
 * @module
 */

import { createPgliteConnection, type PgliteConnection } from "@supabase/lite/pglite";
import { createPostgresConnection, type PostgresConnection } from "@supabase/lite/postgres";
import postgres from "postgres";
import { pathOf } from "./commands.ts";
import { projectSql, seedSql } from "./platform.ts";
import { createDatabase } from "./postgres_server.ts";

/** A database with the migrations and the seed. */
export interface Database {
  /** What @supabase/lite works on. */
  connection: PgliteConnection | PostgresConnection;
  /**
   * How many polls it bears at once on a machine a quarter as quick as usual,
   * within the function's deadline of 8 s.
   */
  pollsInFlight: number;
  /** Runs what uses the connection: one task after the other where there is but one session. */
  inTurn<T>(task: () => Promise<T>): Promise<T>;
  /** Runs one statement as the owner, in turn with all else. */
  query(statement: string, parameters?: unknown[]): Promise<unknown[]>;
  /** Ends it, and takes away what was made on a server. */
  stop(): Promise<void>;
}

/** Makes a database, on the server that DATABASE_URL names or else embedded. */
export async function startDatabase(): Promise<Database> {
  const server = Deno.env.get("DATABASE_URL");
  return server ? await onServer(server) : await embedded();
}

/**
 * Keeps lite from granting the API roles everything, which it does on its first
 * request unless it has done so already. A project does not: the migrations'
 * own grants must decide.
 */
function withOwnGrants<Connection extends object>(connection: Connection): Connection {
  return Object.assign(connection, { rlsState: "active" });
}

async function onServer(server: string): Promise<Database> {
  const { url, drop } = await createDatabase(server);
  const database = openDatabase(url);
  for (const script of [await projectSql(), await seedSql()]) await database.run(script);
  return {
    ...database,
    async stop() {
      await database.stop();
      await drop();
    },
  };
}

/** Opens a database that is there already, with all that a project needs, as its owner. */
export function openDatabase(url: string): Database & { run(script: string): Promise<void> } {
  const owner = postgres(url, { max: 1, onnotice: () => {} });
  const connection = createPostgresConnection({ url, postgresOptions: { onnotice: () => {} } });
  return {
    connection: withOwnGrants(connection),
    // The database does its part in parallel, lite its own one request after the other.
    pollsInFlight: 20,
    inTurn: (task) => task(),
    query: (statement, parameters) => owner.unsafe(statement, parameters as string[]),
    run: async (script) => void await owner.unsafe(script),
    async stop() {
      await connection.close();
      await owner.end({ timeout: 5 });
    },
  };
}

async function embedded(): Promise<Database> {
  const connection = await connectionFromImage();
  const inTurn = queue();
  return {
    connection: withOwnGrants(connection),
    // A request takes 10 to 20 ms, one after the other, and a poll is three or four.
    pollsInFlight: 8,
    inTurn,
    query: (statement, parameters) =>
      inTurn(async () => (await connection.driver.query(statement, parameters)).rows),
    stop: () => connection.close(),
  };
}

/**
 * Starts PGlite with the migrations and the seed from an image of its data
 * folder, which is made once for as long as they stay as they are: that saves
 * most of the time that a start takes.
 */
async function connectionFromImage(): Promise<PgliteConnection> {
  const scripts = [await projectSql(), await seedSql()];
  const made = new TextEncoder().encode(import.meta.resolve("@supabase/lite") + scripts.join());
  const name = new Uint8Array(await crypto.subtle.digest("SHA-256", made)).toHex();
  const file = pathOf(`../.cache/${name}.tar.gz`, import.meta.url);

  try {
    const loadDataDir = new Blob([await Deno.readFile(file)]);
    const connection = await createPgliteConnection({ pgliteOptions: { loadDataDir } });
    await connection.driver.waitReady;
    return connection;
  } catch {
    // There is no image yet, or none that can be read.
  }
  const connection = await createPgliteConnection({});
  for (const script of scripts) await connection.driver.exec(script);
  await keep(file, await connection.driver.dumpDataDir("gzip"));
  return connection;
}

/** Writes the image in the place of older ones; without a folder to write to, the next start takes longer. */
async function keep(file: string, image: Blob): Promise<void> {
  const folder = pathOf("../.cache/", import.meta.url);
  const unfinished = `${file}.${crypto.randomUUID()}`;
  try {
    await Deno.mkdir(folder, { recursive: true });
    for await (const { name } of Deno.readDir(folder)) {
      if (name.endsWith(".tar.gz")) await Deno.remove(folder + name);
    }
    await Deno.writeFile(unfinished, image.stream());
    // Whoever looks for an image at the same time finds a whole one or none.
    await Deno.rename(unfinished, file);
  } catch {
    await Deno.remove(unfinished).catch(() => {});
  }
}

/**
 * Lets one task at a time run, in the order they came: all requests share one
 * session of PGlite, and their transactions would interleave.
 */
function queue(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => {});
    return result;
  };
}
