/**
 * Reads the migrations of somebody's Supabase project for what concerns the
 * endpoint, with PostgreSQL's own parser.
 *
 * @module
 */

import { parse } from "libpg-query";
import { z } from "zod";

/** A file of SQL, by its path in the project. */
export interface SqlFile {
  path: string;
  sql: string;
}

/** Something that a person has to look at. */
export interface Finding {
  /** The file and the line, for example `supabase/migrations/20250101_x.sql:12`. */
  where: string;
  what: string;
}

/** What a project's migrations leave behind. */
export interface Inventory {
  /** Which of the endpoint's tables there are, each with the statement that made it. */
  tables: Map<"users" | "agencies" | "historical_sync_jobs", string>;
  findings: Finding[];
}

const string = z.object({ String: z.object({ sval: z.string() }) }).transform(({ String }) => String.sval);
const strings = z.array(string);
const relation = z.object({ schemaname: z.string().optional(), relname: z.string() });
/** A dropped table or schema, or a dropped function. */
const dropped = z.union([
  z.object({ List: z.object({ items: strings }) }).transform(({ List }) => List.items),
  z.object({ ObjectWithArgs: z.object({ objname: strings }) }).transform(({ ObjectWithArgs }) =>
    ObjectWithArgs.objname
  ),
  string.transform((name) => [name]),
]);

/** The statements that are looked at, as PostgreSQL's parser gives them. */
const statement = z.object({
  CreateStmt: z.object({ relation }),
  ViewStmt: z.object({ view: relation }),
  RenameStmt: z.object({ renameType: z.string(), relation, newname: z.string() }),
  DropStmt: z.object({ objects: z.array(z.unknown()) }),
  CreateSchemaStmt: z.object({ schemaname: z.string() }),
  CreateFunctionStmt: z.object({ funcname: strings }),
  CreateEnumStmt: z.object({ typeName: strings }),
  CreatePolicyStmt: z.object({ policy_name: z.string(), table: relation }),
  AlterPolicyStmt: z.object({ policy_name: z.string(), table: relation }),
  GrantStmt: z.object({
    is_grant: z.boolean().optional(),
    targtype: z.string(),
    objects: z.array(z.unknown()).optional(),
  }),
  AlterDefaultPrivilegesStmt: z.object({ action: z.object({ is_grant: z.boolean().optional() }) }),
  VariableSetStmt: z.object({ name: z.string(), args: z.array(z.unknown()).optional() }),
}).partial();
const parsed = z.object({
  stmts: z.array(z.object({ stmt: statement, stmt_location: z.number().default(0) })),
});
const constant = z.object({ A_Const: z.object({ sval: z.object({ sval: z.string() }) }) });
const granted = z.object({ RangeVar: relation });

const TABLES = ["users", "agencies", "historical_sync_jobs"] as const;

/** What each object means for the endpoint, by its name with the schema. */
const OBJECTS: Record<string, string> = {
  "public.users":
    "makes a table users. The copied migration adds agency_id to it, lets users read id and agency_id of their own row, and leaves its other rights as they are. The endpoint reads agency_id by id, and id must be the user's id in auth.users: if it is another column, change private.current_agency_id(), the policy on users and upstream.ts.",
  "public.agencies":
    "makes a table agencies. The copied migration leaves it as it is; it needs a primary key id of type uuid.",
  "public.historical_sync_jobs":
    "makes a table historical_sync_jobs. The copied migration stops there: rename one of the two.",
  "private":
    "makes a schema private. It stays as it is; the copied migration puts current_agency_id() into it. Make sure that the API does not expose it.",
  "public.get_active_sync_job":
    "has a function get_active_sync_job. The copied migration stops where it is still there: drop or rename it, for example at the top of that migration.",
  "private.current_agency_id":
    "has a function private.current_agency_id. The copied migration stops there: rename one of the two.",
  "public.sync_job_status":
    "has a type sync_job_status. The copied migration stops there: rename one of the two.",
};

const POLICY =
  "makes a policy on one of the endpoint's tables. Policies for one command are combined with or: drop any that lets a user read another agency's jobs or change their own agency_id.";
const GRANT =
  "grants rights that may be on one of the endpoint's tables. Whoever may insert or update users.agency_id can get into any agency: the copied migration stops where authenticated or anon can.";

/**
 * Goes through a project's migrations in their order.
 *
 * What runs dynamic SQL is not seen; the copied migrations check the rights
 * that matter once more, in the database.
 */
export async function readMigrations(files: SqlFile[]): Promise<Inventory> {
  /** The statement that made an object, for those that are still there. */
  const made = new Map<string, string>();
  const others: Finding[] = [];

  for (const { path, sql } of files) {
    let schema = "public";
    const nameOf = ({ schemaname, relname }: z.infer<typeof relation>) =>
      `${schemaname ?? schema}.${relname}`;
    const qualified = (names: string[]) =>
      names.length > 1 ? names.slice(-2).join(".") : `${schema}.${names[0]}`;
    const ours = (name: string) => TABLES.some((table) => name === `public.${table}`);

    let statements: z.infer<typeof parsed>["stmts"];
    try {
      statements = parsed.parse(await parse(sql)).stmts;
    } catch (error) {
      const reason = error instanceof Error ? error.message.split("\n")[0] : error;
      others.push({
        where: path,
        what: `can't be read (${reason}): look there yourself for what this list is about.`,
      });
      continue;
    }
    for (const { stmt, stmt_location } of statements) {
      const where = `${path}:${lineAt(sql, stmt_location)}`;
      const make = (name: string) => name in OBJECTS && made.set(name, where);
      const say = (what: string) => others.push({ where, what });

      if (stmt.CreateStmt) make(nameOf(stmt.CreateStmt.relation));
      if (stmt.ViewStmt && ours(nameOf(stmt.ViewStmt.view))) {
        say(
          `makes a view ${stmt.ViewStmt.view.relname}. The copied migration stops there: rename one of the two.`,
        );
      }
      if (stmt.RenameStmt?.renameType === "OBJECT_TABLE") {
        const { relation, newname } = stmt.RenameStmt;
        made.delete(nameOf(relation));
        make(`${relation.schemaname ?? schema}.${newname}`);
      }
      for (const object of stmt.DropStmt?.objects ?? []) {
        const names = dropped.safeParse(object).data ?? [];
        made.delete(qualified(names));
        if (names.length === 1) made.delete(names[0] ?? "");
      }
      if (stmt.CreateSchemaStmt) make(stmt.CreateSchemaStmt.schemaname);
      if (stmt.CreateFunctionStmt) make(qualified(stmt.CreateFunctionStmt.funcname));
      if (stmt.CreateEnumStmt) make(qualified(stmt.CreateEnumStmt.typeName));
      for (const policy of [stmt.CreatePolicyStmt, stmt.AlterPolicyStmt]) {
        if (policy && ours(nameOf(policy.table))) say(POLICY);
      }
      if (stmt.GrantStmt?.is_grant) {
        const { targtype, objects = [] } = stmt.GrantStmt;
        const tables = objects.map((object) => granted.safeParse(object).data?.RangeVar);
        const schemas = objects.map((object) => string.safeParse(object).data);
        if (tables.some((table) => table && ours(nameOf(table)))) say(GRANT);
        if (targtype === "ACL_TARGET_ALL_IN_SCHEMA" && schemas.includes("public")) say(GRANT);
      }
      if (stmt.AlterDefaultPrivilegesStmt?.action.is_grant) say(GRANT);
      if (stmt.VariableSetStmt?.name === "search_path") {
        schema = constant.safeParse(stmt.VariableSetStmt.args?.[0]).data?.A_Const.sval.sval ?? "public";
      }
    }
  }

  const objects = [...made].map(([name, where]) => ({ where, what: OBJECTS[name] ?? "" }));
  const tables = TABLES.flatMap((table) => {
    const where = made.get(`public.${table}`);
    return where ? [[table, where] as const] : [];
  });
  // Rights on tables that are not there any more, or are the endpoint's alone, are nobody's concern.
  const concerned = tables.length ? others : others.filter(({ what }) => what !== POLICY && what !== GRANT);
  return { tables: new Map(tables), findings: [...objects, ...concerned] };
}

/** The line on which a statement begins; the parser counts bytes, and comments before a statement to it. */
function lineAt(sql: string, location: number): number {
  const bytes = new TextEncoder().encode(sql);
  const before = new TextDecoder().decode(bytes.slice(0, location));
  const [skipped = ""] =
    /^(\s|--[^\n]*\n|\/\*[^]*?\*\/)*/.exec(new TextDecoder().decode(bytes.slice(location))) ?? [];
  return (before + skipped).split("\n").length;
}
