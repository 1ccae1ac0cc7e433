/**
 * `deno task adopt <folder>`: copies the endpoint into a Supabase project that
 * has a history of its own (docs/adopting.md). It overwrites nothing. It notes
 * in the project what it wrote, with a checksum, and so knows on an upgrade
 * which files were edited there and which may be replaced.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, posix, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { pathOf, SUPABASE_CLI } from "../local/commands.ts";

const HELP = `deno task adopt <folder of your project> --users=table|column|view [--dry-run]

Copies the function, its migrations, its pgTAP files and its entry in config.toml. Overwrites nothing.
  --users=table   makes the tables users and agencies
  --users=column  gives your table public.users the column agency_id
  --users=view    makes the view public.users over a table of yours
  --dry-run       says what it would do, and writes nothing
docs/adopting.md says which of them fits. An upgrade needs only the folder.`;

const HERE = pathOf("..", import.meta.url);
const FUNCTION = "supabase/functions/get-sync-status";

/** The three first migrations, of which a project gets one. */
const FIRST = new Map([
  ["table", "supabase/migrations/20250101000000_demo_tenancy.sql"],
  ["column", "examples/first_migration/users_column.sql"],
  ["view", "examples/first_migration/users_view.sql"],
]);

/** What was written, by its path in the project: its checksum, and the version here. */
const notes = z.record(z.string(), z.object({ checksum: z.string(), version: z.string() }));
const NOTES = `${FUNCTION}/adopted.json`;

/** A file's text; empty if there is no such file. */
async function read(...path: string[]): Promise<string> {
  return existsSync(join(...path)) ? await Deno.readTextFile(join(...path)) : "";
}

/** The paths of the files in the folder supabase of a project, sorted; none if there is no such folder. */
function list(project: string): string[] {
  const folder = join(project, "supabase");
  const entries = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  return entries.filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => relative(project, join(parentPath, name)).replaceAll("\\", "/")).sort();
}

/** The SHA-256 of a text, whichever line endings Git gave it. */
const computeChecksum = (text: string) =>
  createHash("sha256").update(text.replaceAll("\r\n", "\n")).digest("hex");

async function main(): Promise<void> {
  const { values, positionals: [folder, ...more] } = parseArgs({
    args: Deno.args,
    options: {
      users: { type: "string" },
      "dry-run": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  if (values.help) return console.log(HELP);
  // `deno task` runs in this project's folder, and says there from which it was called.
  const project = resolve(Deno.env.get("INIT_CWD") ?? ".", folder ?? "");
  const files = list(project);
  const isThisOne = existsSync(join(project, "examples/first_migration/users_view.sql"));
  if (!folder || more.length || !files.length || isThisOne) {
    throw new Error(`Name one other project, by the folder that holds its folder supabase.\n\n${HELP}`);
  }

  // What is there.
  const noted = notes.parse(JSON.parse(await read(project, NOTES) || "{}"));
  const config = (await read(project, "supabase/config.toml")).replaceAll(/^\s*#.*$/gm, "");
  const [, named = "schemas"] = /declarative_schema_path\s*=\s*"(.+?)\/?"/.exec(config) ?? [];
  const schemas = posix.join("supabase", named);
  const migrations = files.filter((path) => /^supabase\/migrations\/.*\.sql$/.test(path));
  const listsSchemas = /schema_paths\s*=\s*\[\s*"/.test(config);
  const isDeclarative = listsSchemas ||
    files.some((path) => path.startsWith(`${schemas}/`) && path.endsWith(".sql"));
  const readName = (source: string) => posix.basename(source).replace(/^\d+_/, "");
  const isCopied = (source: string) =>
    migrations.some((path) => path in noted && path.endsWith(`_${readName(source)}`));
  // The first migration is that of an earlier run, or the one that is named now.
  const earlier = [...FIRST].find(([, source]) => isCopied(source))?.[0];
  const users = earlier ?? values.users ?? "";
  if (earlier && values.users && values.users !== earlier) {
    throw new Error(`An earlier run chose --users=${earlier}: its migration stays.`);
  }
  const first = FIRST.get(users);
  if (!first) throw new Error(`Add what public.users shall be.\n\n${HELP}`);

  // What belongs where: the file here by its path there.
  const copies = new Map<string, string>();
  const here = list(HERE);
  for (const source of here) {
    if (source.startsWith(`${FUNCTION}/`)) copies.set(source, source);
    if (source.startsWith("supabase/tests/") && (users === "table" || !source.includes("demo"))) {
      copies.set(source.replace("tests/", "tests/get-sync-status/"), source);
    }
  }
  const now = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
  const [, last = ""] = /(\d+)_[^/]*$/.exec(migrations.at(-1) ?? "") ?? [];
  let version = now > last ? BigInt(now) : BigInt(last) + 1n;
  const [, ...others] = here.filter((path) => path.startsWith("supabase/migrations/"));
  for (const [i, source] of [first, ...others].entries()) {
    // A migration that may have been applied is never replaced: what changes later comes as a new one.
    if (!isCopied(source)) copies.set(`supabase/migrations/${version++}_${readName(source)}`, source);
    // The CLI reads schema files in the order of their paths: these after the project's own.
    if (isDeclarative) copies.set(`${schemas}/zz_get_sync_status/${i + 1}_${readName(source)}`, source);
  }

  // What is missing is copied; what is there stays.
  const dryRun = values["dry-run"];
  const [, release = ""] = /^## \[(\d[^\]]*)/m.exec(await read(HERE, "CHANGELOG.md")) ?? [];
  for (const [path, source] of copies) {
    const text = await read(HERE, source);
    const checksum = computeChecksum(text);
    const present = await read(project, path);
    const found = computeChecksum(present);
    const note = noted[path];
    if (!present) {
      console.log(`${dryRun ? "would write" : "wrote"} ${path}`);
      if (dryRun) continue;
      await Deno.mkdir(dirname(join(project, path)), { recursive: true });
      await Deno.writeTextFile(join(project, path), text, { createNew: true });
      noted[path] = { checksum, version: release };
    } else if (found === checksum) noted[path] = { checksum, version: release };
    else if (found === note?.checksum) {
      console.log(`${path} is that of ${note.version}, not edited: delete it, and run this again`);
    } // An edited file needs no look unless there is something new in it.
    else if (checksum !== note?.checksum) {
      const files = `"${join(project, path)}" "${join(HERE, source)}"`;
      console.log(`${path} was edited, and this version changes it: git diff --no-index ${files}`);
    }
  }
  const json = files.find((path) => /^supabase\/config\.jsonc?$/.test(path));
  const isConfigured = json || config.includes("get-sync-status");
  if (!isConfigured) {
    console.log(`${dryRun ? "would append to" : "appended to"} supabase/config.toml`);
    const [, entry] = (await read(HERE, "supabase/config.toml")).split(/(?=^\[)/m);
    const path = join(project, "supabase/config.toml");
    if (!dryRun) await Deno.writeTextFile(path, `\n${entry}`, { append: true });
  }
  if (!dryRun) await Deno.writeTextFile(join(project, NOTES), `${JSON.stringify(noted, null, 2)}\n`);

  // What is left to do.
  const say = (sentence: string, lines: string[]) => {
    if (lines.length) console.log(["", sentence, ...lines.map((line) => `  ${line}`)].join("\n"));
  };
  const hasOtherNames = users !== "table" && !earlier;
  const toEdit = [...copies].filter(([, source]) => hasOtherNames && /users_|sync_jobs|people/.test(source));
  say("Write the names of your tables into these (docs/adopting.md):", toEdit.map(([path]) => path));
  // `npx supabase` is the CLI that the project has.
  const [, pinned] = /"supabase": *"[^"\d]*(\d+)/.exec(await read(project, "package.json")) ?? [];
  const cli = pinned ? "npx supabase" : `npx -y ${SUPABASE_CLI}`;
  const remote = Number(pinned) < 3 ? "" : " --remote";
  const isPublic = /get-sync-status[^[]*verify_jwt\s*=\s*false/.test(config);
  const findings: [found: unknown, sentence: string][] = [
    [isConfigured && !isPublic, `${json ?? "config.toml"}: say verify_jwt = false for get-sync-status.`],
    [remote && /^\s*\[inbucket\]/m.test(config), "config.toml: the CLI calls [inbucket] [local_smtp] now."],
    [listsSchemas, `config.toml: add "./${named}/zz_get_sync_status/*.sql" at the end of schema_paths.`],
  ];
  say("Change these first:", findings.filter(([found]) => found).map(([, sentence]) => sentence));
  say(`Then run, in ${project}:`, [
    `${cli} login`,
    `${cli} link --project-ref <ref>`,
    `${cli} db push${remote} --dry-run`,
    `${cli} db push${remote}`,
    `${cli} functions deploy get-sync-status --use-api`,
  ]);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
