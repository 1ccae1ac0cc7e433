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
import { apply, project, type Script, seed } from "./platform.ts";
import { createDatabase } from "./postgres_server.ts";

/** A database with the migrations and the seed. */
export interface Database {
  /** Its address, where it is on a server. */
  url?: string;
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

/**
 * The PostgreSQL server that DATABASE_URL names; undefined where it names none.
 *
 * @throws {Error} with one sentence where it names something else
 */
export function databaseServer(): string | undefined {
  const server = Deno.env.get("DATABASE_URL");
  if (!server) return undefined;
  if (!/^postgres(ql)?:\/\//.test(server) || !URL.canParse(server)) {
    throw new Error(
      "DATABASE_URL must be the address of a PostgreSQL server: postgresql://user:password@host:port/database",
    );
  }
  return server;
}

/** Makes a database, on the server that DATABASE_URL names or else embedded. */
export async function startDatabase(): Promise<Database> {
  const server = databaseServer();
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
  const stop = async () => {
    await database.stop();
    await drop();
  };
  try {
    await apply([...await project(), await seed()], database.run);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...database, stop };
}

/** Opens a database that is there already, with all that a project needs, as its owner. */
export function openDatabase(url: string): Database & { run(script: string): Promise<void> } {
  const owner = postgres(url, { max: 1, onnotice: () => {} });
  const connection = createPostgresConnection({ url, postgresOptions: { onnotice: () => {} } });
  return {
    url,
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
  const scripts = [...await project(), await seed()];
  const file = pathOf(`../.cache/${await nameOf(scripts)}`, import.meta.url);
  const image = await readImage(file);
  const connection = await createPgliteConnection(
    image ? { pgliteOptions: { loadDataDir: new Blob([image]) } } : {},
  );
  if (image) return connection;
  try {
    await apply(scripts, (sql) => connection.driver.exec(sql));
  } catch (error) {
    await connection.close();
    throw error;
  }
  await writeImage(file, new Uint8Array(await (await connection.driver.dumpDataDir("gzip")).arrayBuffer()));
  return connection;
}

const sha256 = async (bytes: Uint8Array<ArrayBuffer>) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** The name of the image of what these scripts make, by the versions of all packages. */
async function nameOf(scripts: Script[]): Promise<string> {
  const versions = await Deno.readTextFile(new URL("../deno.lock", import.meta.url));
  const made = [versions, ...scripts.map(({ sql }) => sql)].join("\n");
  return `${(await sha256(new TextEncoder().encode(made))).toHex()}.image`;
}

/** Reads an image, which begins with its own checksum; undefined where there is none, or it is damaged. */
async function readImage(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const bytes = await Deno.readFile(file);
    const [checksum, image] = [bytes.slice(0, 32), bytes.slice(32)];
    return (await sha256(image)).toHex() === checksum.toHex() ? image : undefined;
  } catch {
    return undefined;
  }
}

/** Writes an image in the place of older ones; without a folder to write to, the next start takes longer. */
async function writeImage(file: string, image: Uint8Array<ArrayBuffer>): Promise<void> {
  const folder = pathOf("../.cache/", import.meta.url);
  const unfinished = `${file}.${crypto.randomUUID()}`;
  try {
    await Deno.mkdir(folder, { recursive: true });
    for await (const { name } of Deno.readDir(folder)) {
      // What was written within the hour may be under way in another process.
      const { mtime } = await Deno.stat(folder + name);
      if (Date.now() - (mtime?.getTime() ?? 0) > 3_600_000) {
        await Deno.remove(folder + name, { recursive: true });
      }
    }
    await Deno.writeFile(unfinished, new Blob([await sha256(image), image]).stream());
    // Who looks for an image at the same time finds a whole one or none.
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
