import { getAuthSchemaSql, SUPABASE_AUTH_HELPERS_SQL } from "@supabase/lite";

const SUPABASE = new URL("../supabase/", import.meta.url);

/** A piece of SQL, by the name that errors give it. */
export type Script = { name: string; sql: string };

async function read(base: string | URL, path: string, name = path): Promise<Script> {
  return { name, sql: await Deno.readTextFile(new URL(path, base)) };
}

/** What a Supabase project has before its first migration. */
export async function platform(): Promise<Script[]> {
  return [
    { name: "the auth tables of @supabase/lite", sql: getAuthSchemaSql() + SUPABASE_AUTH_HELPERS_SQL },
    await read(import.meta.url, "platform.sql"),
  ];
}

export async function migrations(): Promise<Script[]> {
  const files = await Array.fromAsync(Deno.readDir(new URL("migrations/", SUPABASE)));
  const names = files.map(({ name }) => name).filter((name) => name.endsWith(".sql")).sort();
  return await Promise.all(names.map((name) => read(SUPABASE, `migrations/${name}`, name)));
}

/** The demo agencies, users and jobs. */
export async function seed(): Promise<Script> {
  const demo = await read(SUPABASE, "seed.sql");
  const jobs = await read(SUPABASE, "seed_jobs.sql");
  return { name: "the seed", sql: demo.sql + jobs.sql };
}

/** All that an empty database needs. */
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
