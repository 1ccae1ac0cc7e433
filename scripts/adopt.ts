/**
 * `deno task adopt <folder>`: takes the endpoint into a Supabase project that
 * has a history of its own. Copies the function, the migrations dated after the
 * project's last one, the pgTAP files and the entry of config.toml; overwrites
 * nothing; says what it found that needs a decision, and what to run next.
 * `--dry-run` says all of it and writes nothing.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { join, resolve } from "node:path";
import { pathOf, SUPABASE_CLI } from "../local/commands.ts";
import { migrations } from "../local/platform.ts";

const FUNCTION = "get-sync-status";
const SUPABASE = pathOf("../supabase/", import.meta.url);

/** A file to write into the project. */
interface Copy {
  /** Its path in the project's folder. */
  path: string;
  text: string;
}

/** Something in the project's migrations that a person has to look at. */
interface Finding {
  /** The migration and the line, for example `supabase/migrations/20250101_x.sql:12`. */
  where: string;
  what: string;
}

/** What adopting would do. */
interface Plan {
  copies: Copy[];
  /** Files that are there already with another text, and stay as they are. */
  kept: string[];
  findings: Finding[];
}

/** A table name as SQL may write it: with or without schema public, with or without quotes. */
const table = (name: string) => `(?<![\\w."])(?:"?public"?\\s*\\.\\s*)?"?${name}"?(?![\\w"])`;
const OURS = `(?:${["agencies", "users", "historical_sync_jobs"].map(table).join("|")})`;

const CREATES_USERS = new RegExp(`\\bcreate\\s+table\\s+(?:if\\s+not\\s+exists\\s+)?${table("users")}`, "i");
const CREATES_AGENCIES = new RegExp(
  `\\bcreate\\s+table\\s+(?:if\\s+not\\s+exists\\s+)?${table("agencies")}`,
  "i",
);

/** What to look for in the project's migrations, and what to say of it. */
const CONCERNS: [RegExp, string][] = [
  [
    CREATES_USERS,
    "makes a table users. The copied migration adds agency_id to it instead, and leaves its rights and its row-level security as they are. The endpoint reads agency_id by id, and id must be the user's id in auth.users: if it is another column, change private.current_agency_id(), the policy on users and sync_status.ts.",
  ],
  [
    CREATES_AGENCIES,
    "makes a table agencies. The copied migration leaves it as it is; it needs a primary key id of type uuid.",
  ],
  [
    new RegExp(`\\bcreate\\s+table\\s+(?:if\\s+not\\s+exists\\s+)?${table("historical_sync_jobs")}`, "i"),
    "makes a table historical_sync_jobs. The copied migration stops there: rename one of the two.",
  ],
  [
    /\bcreate\s+schema\s+(?:if\s+not\s+exists\s+)?"?private"?/i,
    "makes a schema private. It stays, with its rights; the copied migration puts current_agency_id() into it. Make sure that the API does not expose it (config.toml, [api] schemas).",
  ],
  [
    /\bfunction\s+(?:"?public"?\s*\.\s*)?"?get_active_sync_job"?/i,
    "has a function get_active_sync_job. The copied migration stops where it is still there: drop or rename it, for example at the top of that migration.",
  ],
  [
    /\b(?:function\s+"?private"?\s*\.\s*"?current_agency_id|type\s+(?:"?public"?\s*\.\s*)?"?sync_job_status)\b/i,
    "has an object of the same name as one of the endpoint's. The copied migration stops there: rename one of the two.",
  ],
  [
    new RegExp(`\\bcreate\\s+policy\\b[^;]*\\bon\\s+${OURS}`, "i"),
    "makes a policy on one of the endpoint's tables. Policies for one command are combined with or: drop any that lets a user read another agency's jobs or change their own agency_id.",
  ],
  [
    new RegExp(`\\bgrant\\b[^;]*\\bon\\s+(?:table\\s+)?[^;]*${OURS}`, "i"),
    "grants rights on one of the endpoint's tables. Whoever may update agency_id can move into any agency: revoke that from authenticated and anon.",
  ],
];

/** Blanks comments out, so that what they say is not taken for SQL and lines keep their numbers. */
function withoutComments(sql: string): string {
  return sql.replace(/--[^\n]*|\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "));
}

/** Looks for what needs a decision in one of the project's migrations. */
function look(where: string, sql: string): Finding[] {
  const text = withoutComments(sql);
  return CONCERNS.flatMap(([pattern, what]) => {
    const found = pattern.exec(text);
    if (!found) return [];
    return [{ where: `${where}:${text.slice(0, found.index).split("\n").length}`, what }];
  });
}

/** Replaces one passage of a migration; fails where the migration no longer has it. */
function replace(sql: string, passage: RegExp, by: string): string {
  if (!passage.test(sql)) throw new Error(`The migration has no ${passage}.`);
  return sql.replace(passage, () => by);
}

/** The first migration, for a project that has users or agencies: their rights and their columns are its own. */
function fitTables(sql: string, has: { users: boolean; agencies: boolean }): string {
  const own = { agencies: !has.agencies, users: !has.users };
  if (has.agencies) {
    sql = replace(sql, /create table public\.agencies \([^;]*;\n\n/, "");
    sql = replace(sql, /(comment on (table|column) +public\.agencies[^\n]*\n)+\n/, "");
    sql = replace(sql, /alter table public\.agencies enable[^\n]*\n/, "");
  }
  if (has.users) {
    sql = replace(
      sql,
      /create table public\.users \([^;]*;\n/,
      "alter table public.users\nadd column agency_id uuid references public.agencies (id) on delete set null;\n",
    );
    sql = replace(sql, /comment on table +public\.users [^\n]*\n/, "");
    sql = replace(sql, /comment on column public\.users\.id [^\n]*\n/, "");
    sql = replace(sql, /comment on column public\.users\.created_at [^\n]*\n/, "");
    sql = replace(sql, /alter table public\.users +enable[^\n]*\n/, "");
  }
  const tables = Object.entries(own).filter(([, isOurs]) => isOurs).map(([name]) => `public.${name}`).join(
    ", ",
  );
  return replace(
    sql,
    /revoke all on public\.agencies, public\.users from ([^;]*);\n/,
    tables ? `revoke all on ${tables} from public, anon, authenticated, service_role;\n` : "",
  );
}

/** The version after another one, one second later: `20251231235959` is followed by `20260101000000`. */
function after(version: string): string {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(version) ?? [];
  const [year = 0, month = 1, ...rest] = parts.map(Number);
  return versionOf(new Date(Date.UTC(year, month - 1, ...rest as [number, number, number, number]) + 1_000));
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

/**
 * Works out what adopting means for a project.
 *
 * @param project its folder, which holds supabase/config.toml
 * @param now when that is: the copied migrations are dated then, or after the project's last one
 * @throws {Error} with one sentence where the folder is no Supabase project
 */
export async function planAdoption(project: string, now = new Date()): Promise<Plan> {
  const configPath = join("supabase", "config.toml");
  const config = await readIfThere(join(project, configPath));
  if (config === undefined) {
    throw new Error(`${project} has no supabase/config.toml: npx -y ${SUPABASE_CLI} init makes one.`);
  }

  const wanted: Copy[] = [];
  for (const name of await list(join(SUPABASE, "functions", FUNCTION))) {
    const path = join("functions", FUNCTION, name);
    wanted.push({ path: join("supabase", path), text: await Deno.readTextFile(join(SUPABASE, path)) });
  }

  const theirs = (await list(join(project, "supabase", "migrations"))).filter((name) =>
    name.endsWith(".sql")
  );
  const ours = await migrations();
  const title = (name: string) => name.replace(/^\d+_/, "");
  const adopted = ours.map(({ name }) => theirs.find((other) => title(other) === title(name)));
  const findings: Finding[] = [];
  const has = { users: false, agencies: false };
  for (const name of theirs.filter((name) => !adopted.includes(name))) {
    const sql = await Deno.readTextFile(join(project, "supabase", "migrations", name));
    findings.push(...look(`supabase/migrations/${name}`, sql));
    has.users ||= CREATES_USERS.test(withoutComments(sql));
    has.agencies ||= CREATES_AGENCIES.test(withoutComments(sql));
  }
  const last = theirs.map((name) => /^\d{14}(?=_)/.exec(name)?.[0]).filter((version) => version !== undefined)
    .at(-1);
  let version = versionOf(now);
  if (last && version <= last) version = after(last);
  for (const [i, { name, sql }] of ours.entries()) {
    const text = i === 0 ? fitTables(sql, has) : sql;
    wanted.push({ path: join("supabase", "migrations", adopted[i] ?? `${version}_${title(name)}`), text });
    version = after(version);
  }

  for (const name of await list(join(SUPABASE, "tests"))) {
    // What holds of this project's own users and agencies does not hold of another's.
    if (name === "05_users_and_agencies.sql" && (has.users || has.agencies)) continue;
    const text = await Deno.readTextFile(join(SUPABASE, "tests", name));
    wanted.push({ path: join("supabase", "tests", FUNCTION, name), text });
  }

  const copies: Copy[] = [];
  const kept: string[] = [];
  for (const copy of wanted) {
    const there = await readIfThere(join(project, copy.path));
    if (there === undefined) copies.push(copy);
    else if (there !== copy.text) kept.push(copy.path);
  }
  if (!new RegExp(`^\\s*\\[functions\\."?${FUNCTION}"?\\]`, "m").test(config)) {
    const [entry = ""] = new RegExp(`\\[functions\\.${FUNCTION}\\][^]*$`)
      .exec(await Deno.readTextFile(join(SUPABASE, "config.toml"))) ?? [];
    copies.push({ path: configPath, text: `${config}${config.endsWith("\n") ? "" : "\n"}\n${entry}` });
  }
  return { copies, kept, findings };
}

/** What to run when the copies are there and the findings decided. */
export const NEXT = [
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

  for (const { path, text } of copies) {
    console.log(`${dryRun ? "would write" : "wrote"} ${path}`);
    if (dryRun) continue;
    await Deno.mkdir(join(project, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(project, path), text);
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

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
