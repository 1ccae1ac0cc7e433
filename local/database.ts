import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { createPgliteConnection, type PgliteConnection } from "@supabase/lite/pglite";
import { createPostgresConnection, type PostgresConnection } from "@supabase/lite/postgres";
import postgres from "postgres";
import { pathOf } from "./commands.ts";
import { apply, project, type Script, seed } from "./platform.ts";

/** A database with the migrations and the seed, in PGlite or on a server. */
export interface Database {
  /** Its address, if it is on a server. */
  url?: string;
  /** What @supabase/lite works on. */
  connection: PgliteConnection | PostgresConnection;
  /** How many polls it answers at once within the function's deadline, on a slow machine too. */
  pollsInFlight: number;
  /** Runs what uses the connection: one task after the other if there is but one session. */
  inTurn<T>(task: () => Promise<T>): Promise<T>;
  /** Runs one statement as the owner, in turn with all else. */
  query(statement: string, parameters?: unknown[]): Promise<unknown[]>;
  /** Ends it; one that was made on a server is dropped. */
  stop(): Promise<void>;
}

/**
 * The PostgreSQL server that DATABASE_URL names, a throw-away one; undefined if it names none.
 *
 * @throws {Error} with one sentence if it names something else
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

/**
 * Makes an empty database on a server, which is named by its address for a superuser.
 *
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
    throw new Error(`The PostgreSQL server that DATABASE_URL names can't be used: ${reason}.`);
  }
  return {
    url: url.href,
    async drop() {
      await admin.unsafe(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}

/** Makes a database, on the server that DATABASE_URL names or else embedded. */
export function startDatabase(): Promise<Database> {
  const server = databaseServer();
  return server ? onServer(server) : embedded();
}

/** Tells lite that it has granted the API roles everything, which a project does not: the migrations decide. */
function withOwnGrants<Connection extends object>(connection: Connection): Connection {
  return Object.assign(connection, { rlsState: "active" });
}

async function onServer(server: string): Promise<Database> {
  const { url, drop } = await createDatabase(server);
  const database = openDatabase(url);
  await apply([...await project(), await seed()], database.run);
  return { ...database, stop: () => database.stop().then(drop) };
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
  const scripts = [...await project(), await seed()];
  const connection = await connectionFromImage(await imageFile(scripts), scripts);
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

/** Names the image that these scripts and the packages make. */
async function imageFile(scripts: Script[]): Promise<string> {
  const packages = await Deno.readTextFile(new URL("../deno.lock", import.meta.url));
  const hash = createHash("sha256").update([packages, ...scripts.map(({ sql }) => sql)].join("\n"));
  return pathOf(`../.cache/${hash.digest("hex")}.image`, import.meta.url);
}

/**
 * Starts PGlite from an image of its data folder, several times as quick as
 * from nothing. If there is none, or none that loads, it makes one.
 *
 * @param scripts what a database needs that starts from nothing
 */
export async function connectionFromImage(file: string, scripts: Script[]): Promise<PgliteConnection> {
  try {
    // Not PGlite's own gunzip: its error ends the process.
    const unzipped = new Blob([await Deno.readFile(file)]).stream()
      .pipeThrough(new DecompressionStream("gzip"));
    const image = await new Response(unzipped).blob();
    return await createPgliteConnection({ pgliteOptions: { loadDataDir: image } });
  } catch {
    // There is none, or it was cut off.
  }
  const connection = await createPgliteConnection({});
  await apply(scripts, (sql) => connection.driver.exec(sql));
  try {
    await Deno.mkdir(dirname(file), { recursive: true });
    const unfinished = `${file}.${crypto.randomUUID()}`;
    await Deno.writeFile(unfinished, (await connection.driver.dumpDataDir("gzip")).stream());
    // Another process that looks for it finds a whole one or none.
    await Deno.rename(unfinished, file);
  } catch {
    // Without a folder to write to, the next start takes as long.
  }
  return connection;
}

/** Lets one task at a time run: requests share one session of PGlite, and their transactions would interleave. */
function queue(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => {});
    return result;
  };
}
