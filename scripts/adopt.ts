/**
 * `deno task adopt <folder>`: copies the endpoint into a Supabase project that
 * has a history of its own (docs/adopting.md). It overwrites nothing. It notes
 * in the project what it wrote, with a checksum, and so knows on an upgrade
 * which files were edited there and which may be replaced.
 *
 * @module
 */

import { dirname, join, posix, resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { pathOf, SUPABASE_CLI } from "../local/commands.ts";

const HELP = `deno task adopt <folder of your project> [--users=table|column|view] [--dry-run]

Copies the function, its migrations, its pgTAP files and its entry in config.toml. Overwrites nothing.
  --users=table   makes the tables users and agencies
  --users=column  gives your table public.users the column agency_id
  --users=view    makes the view public.users over a table of yours
  --dry-run       says what it would do, and writes nothing
docs/adopting.md says which of them fits.`;

const HERE = pathOf("..", import.meta.url);
const FUNCTION = "supabase/functions/get-sync-status";

/** The three first migrations, of which a project gets one. */
const FIRST = new Map([
  ["table", "supabase/migrations/20250101000000_demo_tenancy.sql"],
  ["column", "scripts/adopt/users_column.sql"],
  ["view", "scripts/adopt/users_view.sql"],
]);

/** What was written, by its path in the project: the file here, its checksum, and the version here. */
const notes = z.record(
  z.string(),
  z.object({ source: z.string(), checksum: z.string(), version: z.string() }),
);
const NOTES = `${FUNCTION}/adopted.json`;

/** A file's text; empty if there is no such file. */
async function read(...path: string[]): Promise<string> {
  try {
    return await Deno.readTextFile(join(...path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** The files below a folder of a project, sorted by their paths; none if there is no such folder. */
async function list(project: string, folder: string, ending = ""): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(join(project, folder))).catch(() => []);
  const paths = await Promise.all(entries.map(({ name, isDirectory }) => {
    const path = posix.join(folder, name);
    return isDirectory ? list(project, path, ending) : name.endsWith(ending) ? [path] : [];
  }));
  return paths.flat().sort();
}

/** The SHA-256 of a text, whichever ends of lines Git gave it. */
async function checksumOf(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text.replaceAll("\r\n", "\n"));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

const next = (version: string) => String(BigInt(version) + 1n).padStart(version.length, "0");

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
  if (!folder || more.length) throw new Error("Name the folder of one project: deno task adopt <folder>");
  // `deno task` runs in this project's folder, and says there from which it was called.
  const project = resolve(Deno.env.get("INIT_CWD") ?? ".", folder);
  const files = await list(project, "supabase");
  if (!files.length) {
    throw new Error(`${project} has no folder supabase with files in it. Name the folder above that one.`);
  }
  if (await Deno.realPath(project) === await Deno.realPath(HERE)) {
    throw new Error("This is the project to copy from. Name the folder of yours.");
  }

  // What is there.
  const noted = notes.parse(JSON.parse(await read(project, NOTES) || "{}"));
  const config = (await read(project, "supabase/config.toml")).replaceAll(/^\s*#.*$/gm, "");
  const schemas = posix.join(
    "supabase",
    /declarative_schema_path\s*=\s*"(.+)"/.exec(config)?.[1] ?? "schemas",
  );
  const declared = await list(project, schemas, ".sql");
  const migrations = await list(project, "supabase/migrations", ".sql");
  const theirs = [...migrations, ...declared].filter((path) => !(path in noted));
  const sql = (await Promise.all(theirs.map((path) => read(project, path)))).join("\n");
  const created =
    /\bcreate\s+table\s+(?:if\s+not\s+exists\s+)?((?:\w+\.)?(?:users|profiles|accounts|agencies|organizations))\b/gi;
  const tables = new Set([...sql.replaceAll('"', "").matchAll(created)].map(([, name]) => name));

  // Which first migration: that of an earlier run, or the one that is named now.
  const isNoted = (source: string) => migrations.some((path) => noted[path]?.source === source);
  const earlier = [...FIRST].find(([, source]) => isNoted(source))?.[0];
  const users = earlier ?? values.users ?? (tables.size ? "" : "table");
  const first = FIRST.get(users);
  if (!first) {
    throw new Error(
      `The project makes the tables ${[...tables].join(", ")}. Add --users=column, which fits if users is ` +
        "one of them, or --users=view, or --users=table; docs/adopting.md says more.",
    );
  }

  // What belongs where.
  const copies: { source: string; path: string }[] = [];
  for (const source of await list(HERE, FUNCTION)) copies.push({ source, path: source });
  for (const source of await list(HERE, "supabase/tests")) {
    const path = source.replace("tests/", "tests/get-sync-status/");
    if (users === "table" || !source.includes("demo")) copies.push({ source, path });
  }
  const now = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
  const last = /(\d+)_[^/]*$/.exec(migrations.at(-1) ?? "")?.[1] ?? "";
  let version = now > last ? now : next(last);
  const [, ...others] = await list(HERE, "supabase/migrations");
  for (const [i, source] of [first, ...others].entries()) {
    const name = posix.basename(source).replace(/^\d+_/, "");
    // A migration that may have been applied is never replaced: what changes later comes as a new one.
    if (!isNoted(source)) copies.push({ source, path: `supabase/migrations/${version}_${name}` });
    version = next(version);
    // The CLI reads schema files in the order of their paths: these after the project's own.
    if (declared.length) copies.push({ source, path: `${schemas}/zz_get_sync_status/${i + 1}_${name}` });
  }

  // What is missing is copied; what is there stays.
  const dryRun = values["dry-run"];
  const [, release = ""] = /^## \[(\d[^\]]*)/m.exec(await read(HERE, "CHANGELOG.md")) ?? [];
  const before = Object.keys(noted).length;
  const outdated: string[] = [];
  const edited: string[] = [];
  for (const { source, path } of copies) {
    const text = await read(HERE, source);
    const present = await read(project, path);
    const [here, there, copied] = [await checksumOf(text), await checksumOf(present), noted[path]?.checksum];
    if (!present) {
      console.log(`${dryRun ? "would write" : "wrote"} ${path}`);
      noted[path] = { source, checksum: here, version: release };
      if (dryRun) continue;
      await Deno.mkdir(dirname(join(project, path)), { recursive: true });
      await Deno.writeTextFile(join(project, path), text, { createNew: true });
    } else if (there === here) noted[path] ??= { source, checksum: here, version: release };
    else if (there === copied) outdated.push(`${path} (${noted[path]?.version})`);
    // An edited file needs no look unless there is something new in it.
    else if (here !== copied) {
      edited.push(`git diff --no-index "${join(project, path)}" "${join(HERE, source)}"`);
    }
  }
  const json = files.find((path) => /^supabase\/config\.jsonc?$/.test(path));
  if (!config.includes("get-sync-status") && !json) {
    console.log(`${dryRun ? "would append to" : "appended to"} supabase/config.toml`);
    const [entry = ""] =
      /\[functions\.get-sync-status\][^]*/.exec(await read(HERE, "supabase/config.toml")) ?? [];
    const path = join(project, "supabase/config.toml");
    if (!dryRun) await Deno.writeTextFile(path, `\n${entry}`, { append: true });
  }
  if (!dryRun) await Deno.writeTextFile(join(project, NOTES), `${JSON.stringify(noted, null, 2)}\n`);

  // What is left to do.
  const say = (due: unknown, sentence: string, lines: string[] = []) => {
    if (due) console.log(["", sentence, ...lines.map((line) => `  ${line}`)].join("\n"));
  };
  const [, pinned] = /"supabase": *"[^"\d]*(\d+)/.exec(await read(project, "package.json")) ?? [];
  const [cli, remote] = pinned
    ? ["npx supabase", Number(pinned) < 3 ? "" : " --remote"]
    : [`npx -y ${SUPABASE_CLI}`, " --remote"];
  say(
    Object.keys(noted).length === before && !outdated.length && !edited.length,
    "Everything is there already.",
  );
  say(outdated.length, `Older than ${release}, and not edited. Delete these and run this again:`, outdated);
  say(edited.length, "Different here and there. Take what you need:", edited);
  say(
    users !== "table" && !earlier,
    "Write the names of your tables into these (docs/adopting.md):",
    copies.filter(({ source }) => source === first || /sync_jobs|people/.test(source)).map(({ path }) =>
      path
    ),
  );
  say(
    /schema_paths\s*=\s*\[\s*"/.test(config) && declared.length,
    `Add "./${
      posix.relative("supabase", schemas)
    }/zz_get_sync_status/*.sql" at the end of schema_paths in supabase/config.toml.`,
  );
  say(
    json || config.includes("get-sync-status") && !/get-sync-status[^[]*verify_jwt\s*=\s*false/.test(config),
    `Say verify_jwt = false for get-sync-status in ${
      json ?? "supabase/config.toml"
    }: the gateway's own check answers without CORS headers.`,
  );
  say(
    /\bfunction\s+("?public"?\.)?"?get_active_sync_job\b/i.test(sql),
    "You have a function get_active_sync_job. Drop or rename it first: PostgREST cannot choose between two.",
  );
  say(
    /^\s*\[inbucket\]/m.test(config) && remote,
    "The CLI refuses [inbucket] in supabase/config.toml. Its name is [local_smtp] now.",
  );
  say(true, `Then run, in ${project}:`, [
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
