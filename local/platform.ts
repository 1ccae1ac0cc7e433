import { getAuthSchemaSql, SUPABASE_AUTH_HELPERS_SQL } from "@supabase/lite";

/** A piece of SQL, by the name that errors give it. */
export type Script = { name: string; sql: string };

async function read(path: string): Promise<Script> {
  return { name: path, sql: await Deno.readTextFile(new URL(path, import.meta.url)) };
}

export async function platform(): Promise<Script[]> {
  return [
    { name: "the auth tables of @supabase/lite", sql: getAuthSchemaSql() + SUPABASE_AUTH_HELPERS_SQL },
    await read("platform.sql"),
  ];
}

export async function migrations(): Promise<Script[]> {
  const files = await Array.fromAsync(Deno.readDir(new URL("../supabase/migrations/", import.meta.url)));
  const names = files.map(({ name }) => name).filter((name) => name.endsWith(".sql")).sort();
  return await Promise.all(names.map((name) => read(`../supabase/migrations/${name}`)));
}

/** The demo agencies, users and jobs. */
export async function seed(): Promise<Script> {
  const demo = await read("../supabase/seed.sql");
  const jobs = await read("../supabase/seed_jobs.sql");
  return { name: "the seed", sql: demo.sql + jobs.sql };
}

/** All that an empty database needs, but for the seed. */
export async function project(): Promise<Script[]> {
  return [...await platform(), ...await migrations()];
}

/**
 * Runs scripts one after the other.
 *
 * @throws {Error} naming the script that the database refused
 */
export async function apply(scripts: Script[], run: (sql: string) => Promise<unknown>): Promise<void> {
  for (const { name, sql } of scripts) {
    try {
      await run(sql);
    } catch (error) {
      throw new Error(`${name}: ${error}`, { cause: error });
    }
  }
}
