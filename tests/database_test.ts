/**
 * Runs the pgTAP files of supabase/tests on PGlite and reports each assertion
 * as one test. `supabase test db` runs the same files on the Docker stack.
 */

import { PGlite } from "@electric-sql/pglite";
import { pgtap } from "@electric-sql/pglite-pgtap";
import { apply, project } from "../local/platform.ts";
import { test } from "./support/helpers.ts";

const FOLDER = new URL("../supabase/tests/", import.meta.url);

const database = await PGlite.create({ extensions: { pgtap } });
await apply(await project(), (sql) => database.exec(sql));
await database.exec("create extension pgtap");

const files = (await Array.fromAsync(Deno.readDir(FOLDER))).map(({ name }) => name).sort();
for (const file of files.filter((name) => name.endsWith(".sql"))) {
  for (const { name, problem } of await run(await script(file))) {
    test(`${file}: ${name}`, () => {
      if (problem !== undefined) throw new Error(problem);
    });
  }
}
await database.close();

/** Reads a file as psql does: `\ir` includes another file. */
async function script(file: string): Promise<string> {
  const lines = (await Deno.readTextFile(new URL(file, FOLDER))).split("\n");
  return (await Promise.all(lines.map((line) => line.startsWith("\\ir ") ? script(line.slice(4)) : line)))
    .join("\n");
}

/** Runs one file and reads its Test Anything Protocol (https://testanything.org): assertions, and what failed them. */
async function run(sql: string): Promise<{ name: string; problem?: string }[]> {
  try {
    const results = await database.exec(sql, { rowMode: "array" });
    const lines = results.flatMap(({ rows }) => rows as unknown as unknown[][]).flat().join("\n");
    const assertions = [...lines.matchAll(/^(not )?ok \d+ - (.*)((?:\n#.*)*)/gm)]
      .map(([all, not, name = ""]) => not ? { name, problem: all } : { name });
    // finish() says so if the number of assertions is not the one that was planned.
    const [unplanned] = /^# Looks like you planned.*/m.exec(lines) ?? [];
    return unplanned ? [...assertions, { name: "keeps its plan", problem: unplanned }] : assertions;
  } catch (error) {
    await database.exec("rollback");
    return [{ name: "runs to its end", problem: String(error) }];
  }
}
