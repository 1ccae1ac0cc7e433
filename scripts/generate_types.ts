/** `deno task gen:types`, without Docker: PGlite serves PostgreSQL's wire protocol to the Supabase CLI. */

import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import { deno, pathOf, supabase } from "../local/commands.ts";
import { apply, project } from "../local/platform.ts";

const database = await PGlite.create();
await apply(await project(), (sql) => database.exec(sql));
const server = new PGLiteSocketServer({ db: database, host: "127.0.0.1", port: 0 });
await server.start();

const remote = `postgresql://postgres:postgres@${server.getServerConn()}/postgres?sslmode=disable`;
const generated = await supabase(["gen", "types", `--remote=${remote}`, "--yes", "--schema", "public"]);
const formatted = await deno(["fmt", "--ext", "ts", "--line-width", "110", "-"], generated);
const file = pathOf("../supabase/functions/get-sync-status/database.types.ts", import.meta.url);
await Deno.writeTextFile(file, formatted);
Deno.exit(0);
