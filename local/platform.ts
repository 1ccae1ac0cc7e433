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

/** The migrations in the order of their names. */
export async function migrations(): Promise<Script[]> {
  const files = await Array.fromAsync(Deno.readDir(new URL("migrations/", SUPABASE)));
  const names = files.map(({ name }) => name).filter((name) => name.endsWith(".sql")).sort();
  return await Promise.all(names.map((name) => read(SUPABASE, `migrations/${name}`, name)));
}

/** The demo agencies, users and jobs. */
export async function seed(): Promise<Script> {
  const files = await Promise.all(["seed.sql", "seed_jobs.sql"].map((path) => read(SUPABASE, path)));
  return { name: "the seed", sql: files.map(({ sql }) => sql).join("\n") };
}

/** All that an empty database needs to be one of this project. */
export async function project(): Promise<Script[]> {
  return [...await platform(), ...await migrations()];
}

/**
 * Runs scripts one after the other.
 *
 * @throws {Error} with one sentence that names the script that the database refused
 */
export async function apply(scripts: Script[], run: (sql: string) => Promise<unknown>): Promise<void> {
  for (const { name, sql } of scripts) {
    try {
      await run(sql);
    } catch (error) {
      throw new Error(`${name}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}
