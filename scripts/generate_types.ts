/**
 * `deno task gen:types`: writes database.types.ts with the Supabase CLI, from
 * the migrations, without Docker: PGlite serves PostgreSQL's wire protocol.
 */

import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import { apply, project } from "../local/platform.ts";
import { deno, supabase } from "../local/commands.ts";

/** The file that the function's client is typed with. */
export const TYPES_FILE = new URL(
  "../supabase/functions/get-sync-status/database.types.ts",
  import.meta.url,
);

/**
 * Generates the types of schema public as the migrations make it, formatted.
 *
 * @throws {Error} with the CLI's own words when it fails
 */
export async function generateTypes(): Promise<string> {
  const database = await PGlite.create();
  await apply(await project(), (sql) => database.exec(sql));

  const server = new PGLiteSocketServer({ db: database, host: "127.0.0.1", port: 0 });
  await server.start();
  try {
    const remote = `postgresql://postgres:postgres@${server.getServerConn()}/postgres?sslmode=disable`;
    const generated = await supabase(["gen", "types", `--remote=${remote}`, "--yes", "--schema", "public"]);
    return await deno(["fmt", "--ext", "ts", "--line-width", "110", "-"], generated);
  } finally {
    await server.stop();
    await database.close();
  }
}

if (import.meta.main) {
  await Deno.writeTextFile(TYPES_FILE, await generateTypes());
  Deno.exit(0);
}
