import { PGlite } from "@electric-sql/pglite";
import { pgtap } from "@electric-sql/pglite-pgtap";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { apply, type Script } from "../../local/platform.ts";

/** `problem`: what failed it. */
type Assertion = { file: string; name: string; problem?: string };

/** Applies migrations to an empty PGlite, and runs every pgTAP file of a folder, as `supabase test db` does. */
export async function runPgTap(migrations: Script[], folder: string): Promise<Assertion[]> {
  const database = await PGlite.create({ extensions: { pgtap } });
  await apply(migrations, (sql) => database.exec(sql));
  await database.exec("create extension pgtap");
  const assertions: Assertion[] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".sql")).sort()) {
    try {
      const results = await database.exec(readScript(folder, file), { rowMode: "array" });
      const lines = results.flatMap(({ rows }) => rows as unknown as string[][]).flat();
      assertions.push(...readTap(file, lines.join("\n")));
    } catch (error) {
      await database.exec("rollback");
      assertions.push({ file, name: "runs to its end", problem: String(error) });
    }
  }
  await database.close();
  return assertions;
}

/** In psql, `\ir` includes a file. */
function readScript(folder: string, file: string): string {
  const text = Deno.readTextFileSync(join(folder, file));
  return text.replace(/^\\ir (.*)$/gm, (_, included) => readScript(folder, included));
}

/** Reads the Test Anything Protocol (https://testanything.org). */
function readTap(file: string, lines: string): Assertion[] {
  const assertions: Assertion[] = [];
  for (const [all, not, name = ""] of lines.matchAll(/^(not )?ok \d+ - (.*)((?:\n#.*)*)/gm)) {
    assertions.push({ file, name, problem: not && all });
  }
  // finish() says so if the number of assertions is not the one that was planned.
  const [unplanned] = /^# Looks like you planned.*/m.exec(lines) ?? [];
  if (unplanned) assertions.push({ file, name: "keeps its plan", problem: unplanned });
  return assertions;
}
