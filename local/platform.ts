/**
 * The SQL that turns an empty PostgreSQL database into one of this project:
 * what Supabase provides, then the migrations, then the seed.
 *
 * @module
 */

import { getAuthSchemaSql, SUPABASE_AUTH_HELPERS_SQL } from "@supabase/lite";

const SUPABASE = new URL("../supabase/", import.meta.url);

/** The roles of Supabase's API, which belong to the whole server. */
export function rolesSql(): Promise<string> {
  return Deno.readTextFile(new URL("roles.sql", import.meta.url));
}

/** What a Supabase project has before its first migration, where the roles are there. */
export async function platformSql(): Promise<string> {
  const platform = await Deno.readTextFile(new URL("platform.sql", import.meta.url));
  return [getAuthSchemaSql(), SUPABASE_AUTH_HELPERS_SQL, platform].join("\n");
}

/** The migrations in the order of their names, each with its name. */
export async function migrations(): Promise<{ name: string; sql: string }[]> {
  const folder = new URL("migrations/", SUPABASE);
  const names = (await Array.fromAsync(Deno.readDir(folder)))
    .map((entry) => entry.name)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  return Promise.all(
    names.map(async (name) => ({ name, sql: await Deno.readTextFile(new URL(name, folder)) })),
  );
}

/** An empty project with every migration applied, as one script. */
export async function projectSql(): Promise<string> {
  return [await rolesSql(), await platformSql(), ...(await migrations()).map(({ sql }) => sql)].join("\n");
}

/** The demo agencies, users and jobs. */
export function seedSql(): Promise<string> {
  return Deno.readTextFile(new URL("seed.sql", SUPABASE));
}
