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

interface Assertion {
  name: string;
  /** pgTAP's diagnosis if it fails. */
  problem?: string;
}

/** Runs one file and reads its Test Anything Protocol (https://testanything.org). */
async function run(sql: string): Promise<Assertion[]> {
  const lines: string[] = [];
  const assertions: Assertion[] = [];
  try {
    for (const { rows } of await database.exec(sql, { rowMode: "array" })) {
      for (const [text] of rows as unknown as unknown[][]) {
        if (typeof text === "string") lines.push(...text.split("\n"));
      }
    }
  } catch (error) {
    assertions.push({ name: "runs to its end", problem: String(error) });
    await database.exec("rollback");
  }
  for (const [index, line] of lines.entries()) {
    const [, not, name] = /^(not )?ok \d+ - (.*)$/.exec(line) ?? [];
    if (name === undefined) {
      // finish() says so if the number of assertions is not the one that was planned.
      if (line.startsWith("# Looks like you planned")) {
        assertions.push({ name: "keeps its plan", problem: line });
      }
      continue;
    }
    const end = lines.findIndex((next, at) => at > index && !next.startsWith("#"));
    assertions.push(not ? { name, problem: lines.slice(index + 1, end).join("\n") || line } : { name });
  }
  return assertions;
}
