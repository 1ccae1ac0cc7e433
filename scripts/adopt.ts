/**
 * `deno task adopt <folder>`: takes the endpoint into a Supabase project that
 * has a history of its own. Copies the function, the migrations dated after the
 * project's last one, the pgTAP files and the entry of config.toml; overwrites
 * nothing; says what it found that needs a decision, and what to run next.
 * `--dry-run` says all of it and writes nothing.
 *
 * @module
 */

import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { pathOf, SUPABASE_CLI } from "../local/commands.ts";
import { migrations } from "../local/platform.ts";
import { type Finding, type Inventory, readMigrations, type SqlFile } from "./read_migrations.ts";

const FUNCTION = "get-sync-status";
const SUPABASE = pathOf("../supabase/", import.meta.url);

/** The first line of each migration of the endpoint. */
const MARK = `-- ${FUNCTION}\n`;

/** A file to write into the project, or a text to add at the end of one that is there. */
interface Copy {
  /** Its path in the project's folder. */
  path: string;
  text: string;
  append?: boolean;
}

/** What adopting would do. */
interface Plan {
  copies: Copy[];
  /** Files that are there already with another text, and stay as they are. */
  kept: string[];
  findings: Finding[];
}

/** Replaces one passage of a migration; fails where the migration no longer has it. */
function replace(sql: string, passage: RegExp, by: string): string {
  if (!passage.test(sql)) throw new Error(`The migration has no ${passage}.`);
  return sql.replace(passage, () => by);
}

/** Added to the migration where users is the project's own table: what adopt can't see in SQL files, the database can. */
const USERS_GUARD = `
-- users is this project's own table. What the endpoint relies on there is checked here, and not changed.
do $$
begin
  if (select atttypid from pg_attribute where attrelid = 'public.users'::regclass and attname = 'agency_id') <> 'uuid'::regtype then
    raise exception 'public.users.agency_id must be of type uuid.';
  end if;
  if not (select relrowsecurity from pg_class where oid = 'public.users'::regclass) then
    raise exception 'Row-level security is off on public.users: turn it on, then apply this migration again.';
  end if;
  if exists (
    select from pg_policy, unnest(array['anon', 'authenticated']) as role
    where  polrelid = 'public.users'::regclass
    and    polpermissive
    and    polroles && array[0, role::regrole::oid]
    and    (
             polcmd in ('w', '*') and has_column_privilege(role, 'public.users', 'agency_id', 'update')
             or
             polcmd in ('a', '*') and has_column_privilege(role, 'public.users', 'agency_id', 'insert')
           )
  ) then
    raise exception 'A policy on public.users lets users insert or update agency_id, and so get into any agency: '
      'grant them insert and update on the other columns alone, then apply this migration again.';
  end if;
end;
$$;
`;

/** The first migration for a project that has users or agencies: their rights and their columns stay its own. */
function fitTables(sql: string, tables: Inventory["tables"]): string {
  const ours = (["agencies", "users"] as const).filter((name) => !tables.has(name)).map((name) =>
    `public.${name}`
  );
  const statement = (words: string) => ours.length ? `${words.replace("TABLES", ours.join(", "))};\n` : "";
  if (ours.length < 2) {
    sql = replace(
      sql,
      /revoke all on public\.agencies, [^;]*;\n/,
      statement("revoke all on TABLES from public, anon, authenticated, service_role"),
    );
    sql = replace(
      sql,
      /grant select +on public\.agencies, [^;]*;\n/,
      statement("grant select on TABLES to authenticated"),
    );
    sql = replace(
      sql,
      /grant select, insert[^;]*;\n/,
      statement("grant select, insert, update, delete on TABLES to service_role"),
    );
  }
  if (tables.has("agencies")) {
    sql = replace(sql, /create table public\.agencies \([^;]*;\n\n/, "");
    sql = replace(sql, /(comment on (table|column) +public\.agencies[^\n]*\n)+\n/, "");
    sql = replace(sql, /alter table public\.agencies enable[^\n]*\n/, "");
    sql = replace(sql, /create policy "Users read their own agency"[^]*?comment on policy[^\n]*\n/, "");
  }
  if (tables.has("users")) {
    sql = replace(
      sql,
      /create table public\.users \([^;]*;\n/,
      "alter table public.users\nadd column if not exists agency_id uuid references public.agencies (id) on delete set null;\n",
    );
    sql = replace(sql, /comment on table +public\.users [^\n]*\n/, "");
    sql = replace(sql, /comment on column public\.users\.id [^\n]*\n/, "");
    sql = replace(sql, /comment on column public\.users\.created_at [^\n]*\n/, "");
    sql = replace(sql, /create index users_agency_id_idx/, "create index if not exists users_agency_id_idx");
    sql = replace(
      sql,
      /alter table public\.users +enable[^\n]*\n/,
      "grant select (id, agency_id) on public.users to authenticated;\n",
    );
    sql = sql.replaceAll(`"Users read their own row"`, `"get-sync-status: users read their own row"`);
    sql += USERS_GUARD;
  }
  return sql;
}

/** The version after another one, one second later: `20251231235959` is followed by `20260101000000`. */
function after(version: string): string {
  const [, year, month, ...rest] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(version) ?? [];
  const time = `${year}-${month}-${rest[0]}T${rest.slice(1).join(":")}Z`;
  if (Number.isNaN(Date.parse(time))) {
    throw new Error(
      `No migration can be dated after ${version}, the last one of the project: it is no time. Rename it first.`,
    );
  }
  return versionOf(new Date(Date.parse(time) + 1_000));
}

function versionOf(date: Date): string {
  return date.toISOString().replace(/\D/g, "").slice(0, 14);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The names in a folder, sorted; none where there is no such folder. */
async function list(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

const config = z.object({ functions: z.record(z.string(), z.unknown()).optional() });
const entry = z.object({ verify_jwt: z.literal(false) });

const VERIFY_JWT =
  `must say verify_jwt = false for the function ${FUNCTION}: the gateway's own check answers without CORS headers.`;

/** The entry of the function, at the end of config.toml, or what has to be done by hand. */
async function planConfig(project: string): Promise<{ copies: Copy[]; findings: Finding[] }> {
  const path = "supabase/config.toml";
  const text = await readIfThere(join(project, path));
  if (text === undefined) {
    for (const other of ["supabase/config.json", "supabase/config.jsonc"]) {
      const there = await readIfThere(join(project, other)) !== undefined;
      if (there) return { copies: [], findings: [{ where: other, what: VERIFY_JWT }] };
    }
    throw new Error(`${project} is not the folder of a Supabase project: it has no supabase/config.toml.`);
  }
  const functions = config.parse(parseToml(text)).functions ?? {};
  if (FUNCTION in functions) {
    const right = entry.safeParse(functions[FUNCTION]).success;
    return { copies: [], findings: right ? [] : [{ where: path, what: VERIFY_JWT }] };
  }
  const [own = ""] = new RegExp(`\\[functions\\.${FUNCTION}\\][^]*$`)
    .exec(await Deno.readTextFile(join(SUPABASE, "config.toml"))) ?? [];
  return {
    copies: [{ path, text: `${text.endsWith("\n") ? "" : "\n"}\n${own}`, append: true }],
    findings: [],
  };
}

/** The migrations, dated after the project's last one, and what those before them need a decision for. */
async function planMigrations(project: string, now: Date): Promise<{ copies: Copy[]; inventory: Inventory }> {
  const files: SqlFile[] = [];
  const adopted: SqlFile[] = [];
  const folder = "supabase/migrations";
  for (const name of (await list(join(project, folder))).filter((name) => name.endsWith(".sql"))) {
    const file = { path: `${folder}/${name}`, sql: await Deno.readTextFile(join(project, folder, name)) };
    (file.sql.startsWith(MARK) ? adopted : files).push(file);
  }
  const last =
    [...files, ...adopted].map(({ path }) => /\/(\d+)_[^/]*$/.exec(path)?.[1] ?? "").sort().at(-1) ?? "";
  for (
    const name of (await list(join(project, "supabase/schemas"))).filter((name) => name.endsWith(".sql"))
  ) {
    const path = `supabase/schemas/${name}`;
    files.push({ path, sql: await Deno.readTextFile(join(project, path)) });
  }
  const inventory = await readMigrations(files);

  const copies: Copy[] = [];
  let version = versionOf(now) > last ? versionOf(now) : after(last);
  for (const [i, { name, sql }] of (await migrations()).entries()) {
    const title = name.replace(/^\d+_/, "");
    const path = adopted.find(({ path }) => path.endsWith(`_${title}`))?.path ??
      `${folder}/${version}_${title}`;
    copies.push({ path, text: i === 0 ? fitTables(sql, inventory.tables) : sql });
    version = after(version);
  }
  return { copies, inventory };
}

/**
 * Works out what adopting means for a project.
 *
 * @param project its folder, the one above `supabase`
 * @param now when that is: the copied migrations are dated then, or after the project's last one
 * @throws {Error} with one sentence where the folder is no Supabase project
 */
async function planAdoption(project: string, now = new Date()): Promise<Plan> {
  const { copies: configuration, findings } = await planConfig(project);
  const { copies: wanted, inventory } = await planMigrations(project, now);
  const copy = async (from: string, to: string) => {
    wanted.push({ path: `supabase/${to}`, text: await Deno.readTextFile(join(SUPABASE, from)) });
  };
  for (const name of await list(join(SUPABASE, "functions", FUNCTION))) {
    await copy(`functions/${FUNCTION}/${name}`, `functions/${FUNCTION}/${name}`);
  }
  for (const name of await list(join(SUPABASE, "tests"))) {
    // What holds of this project's own users and agencies does not hold of another's.
    const own = name !== "05_users_and_agencies.sql" ||
      !(inventory.tables.has("users") || inventory.tables.has("agencies"));
    if (own) await copy(`tests/${name}`, `tests/${FUNCTION}/${name}`);
  }

  const copies: Copy[] = [];
  const kept: string[] = [];
  for (const copy of wanted) {
    const there = await readIfThere(join(project, copy.path));
    if (there === undefined) copies.push(copy);
    else if (there !== copy.text) kept.push(copy.path);
  }
  return { copies: [...copies, ...configuration], kept, findings: [...inventory.findings, ...findings] };
}

/** What to run when the copies are there and the findings decided. */
const NEXT = [
  `npx -y ${SUPABASE_CLI} login`,
  `npx -y ${SUPABASE_CLI} link --project-ref <ref>`,
  `npx -y ${SUPABASE_CLI} db push --remote --dry-run`,
  `npx -y ${SUPABASE_CLI} db push --remote`,
  `npx -y ${SUPABASE_CLI} functions deploy ${FUNCTION} --use-api`,
];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: { "dry-run": { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const [folder, ...more] = positionals;
  if (!folder || more.length) throw new Error("Name the folder of one project: deno task adopt <folder>");
  // `deno task` runs in this project's folder, and says there where it was called.
  const project = resolve(Deno.env.get("INIT_CWD") ?? ".", folder);
  const dryRun = values["dry-run"];
  const { copies, kept, findings } = await planAdoption(project);

  for (const { path, text, append = false } of copies) {
    const [would, did] = append ? ["append to", "appended to"] : ["write", "wrote"];
    console.log(`${dryRun ? `would ${would}` : did} ${path}`);
    if (dryRun) continue;
    await Deno.mkdir(dirname(join(project, path)), { recursive: true });
    await Deno.writeTextFile(join(project, path), text, append ? { append } : { createNew: true });
  }
  for (const path of kept) console.log(`left as it is, though it differs: ${path}`);
  if (!copies.length && !kept.length) console.log("Everything is there already.");
  if (findings.length) {
    console.log("\nTo decide before you go on:");
    for (const { where, what } of findings) console.log(`- ${where} ${what}`);
  }
  console.log(`\nThen run, in ${project}:`);
  for (const line of NEXT) console.log(`  ${line}`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
