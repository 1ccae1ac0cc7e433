/**
 * What the three queries of a poll cost as the tables grow: plan, buffers and time, as
 * the API runs them (role authenticated, claims set, row-level security on).
 *
 * On the server that DATABASE_URL names (a database is made and dropped there),
 * up to ten million jobs; without it on PGlite, with what fits a minute.
 *
 * @module
 */

import { PGlite } from "@electric-sql/pglite";
import postgres from "postgres";
import { z } from "zod";
import { databaseServer } from "../local/database.ts";
import { apply, project } from "../local/platform.ts";
import { createDatabase } from "../local/postgres_server.ts";
import { median } from "./median.ts";

/**
 * Pages that a thousand times the jobs may add: each query descends into at most
 * three B-trees, and each gains a level about every 200-fold.
 */
const ADDED_PAGES = 3;

const SAMPLES = 41;

/** Jobs in the table and agencies they are spread over. */
const SIZES = [
  { jobs: 10_000, agencies: 1_000 },
  { jobs: 100_000, agencies: 10_000 },
  { jobs: 1_000_000, agencies: 100_000 },
  { jobs: 10_000_000, agencies: 100_000 },
];

/** Runs a script; gives the rows of its last statement. */
type Run = (script: string) => Promise<Record<string, unknown>[]>;

const node = z.object({
  "Node Type": z.string(),
  "Index Name": z.string().optional(),
  "Shared Hit Blocks": z.number(),
  "Shared Read Blocks": z.number(),
  get Plans(): z.ZodOptional<z.ZodArray<typeof node>> {
    return z.array(node).optional();
  },
});
const explained = z.tuple([z.object({ "Plan": node, "Execution Time": z.number() })]);

const COLUMNS =
  "agency_id, id, status, date_from, date_to, total_calls, processed_calls, imported_calls, skipped_calls, failed_calls";

const CLAIMS = (user: number) => `{"role": "authenticated", "sub": "${uuid("b", user)}"}`;

/** The same user and agency have the same number. */
function uuid(kind: "a" | "b", number: number): string {
  return `${kind}0000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;
}

/** PostgREST's way to make one JSON body of a query's rows. */
const asBody = (query: string) =>
  `with pgrst_source as (${query})
  select coalesce(json_agg(_postgrest_t), '[]') from (select * from pgrst_source) as _postgrest_t`;

const QUERIES = {
  "users": (_agency: string, user: string) =>
    asBody(`select agency_id from public.users where id = '${user}'`),
  "RPC": () => asBody(`select ${COLUMNS}, started_at, last_activity_at from public.get_active_sync_job()`),
  "fallback": (agency: string) =>
    asBody(`select ${COLUMNS}, created_at from public.historical_sync_jobs
      where agency_id = '${agency}' and status = any ('{completed,failed,cancelled}')
      order by created_at desc, id desc limit 1`),
};

/** Adds jobs, agencies and their users up to a size: every tenth agency has an active job. */
const grow = (from: { jobs: number; agencies: number }, to: { jobs: number; agencies: number }) => `
  set session_replication_role = replica;
  insert into auth.users (id, email, is_sso_user)
  select ('b0000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, i || '@example.test', false
  from   generate_series(${from.agencies}, ${to.agencies} - 1) as i;
  insert into public.agencies (id, name)
  select ('a0000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'Agency ' || i
  from   generate_series(${from.agencies}, ${to.agencies} - 1) as i;
  insert into public.users (id, agency_id)
  select ('b0000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, ('a0000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid
  from   generate_series(${from.agencies}, ${to.agencies} - 1) as i;
  insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
  select ('a0000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'in_progress', '2025-01-01', '2025-03-01'
  from   generate_series(${from.agencies}, ${to.agencies} - 1) as i
  where  i % 10 = 0;
  insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, total_calls, created_at)
  select ('a0000000-0000-4000-8000-' || lpad(to_hex(i % ${to.agencies}), 12, '0'))::uuid,
         (array['completed', 'failed', 'cancelled'])[1 + i % 3]::public.sync_job_status,
         '2025-01-01', '2025-03-01', 1500, '2020-01-01'::timestamptz + i * interval '10 seconds'
  from   generate_series(${from.jobs}, ${to.jobs} - 1) as i;
  set session_replication_role = origin;`;

/** One query at one size: 8 kB pages touched, and milliseconds. */
export interface Measurement {
  jobs: number;
  agencies: number;
  query: string;
  plan: string;
  buffers: number;
  ms: number;
}

/** The scans of a plan, outermost first. */
function scans(plan: z.infer<typeof node>): string[] {
  const own = plan["Node Type"].includes("Scan") && plan["Node Type"] !== "Subquery Scan"
    ? [plan["Index Name"] ? `${plan["Node Type"]} ${plan["Index Name"]}` : plan["Node Type"]]
    : plan["Node Type"] === "Sort"
    ? ["Sort"]
    : [];
  return [...own, ...(plan.Plans ?? []).flatMap(scans)];
}

/** Explains a statement as a user of the API runs it. */
async function explain(run: Run, user: number, statement: string) {
  const [row] = await run(`begin;
    select set_config('role', 'authenticated', true), set_config('request.jwt.claims', '${
    CLAIMS(user)
  }', true);
    explain (analyze, buffers, format json) ${statement}`);
  await run("rollback");
  const [{ Plan, "Execution Time": ms }] = explained.parse(row?.["QUERY PLAN"]);
  return {
    plan: scans(Plan).join(", "),
    buffers: Plan["Shared Hit Blocks"] + Plan["Shared Read Blocks"],
    ms,
  };
}

/** Measures the queries at each size up to `limit` jobs. */
async function measure(run: Run, limit: number): Promise<Measurement[]> {
  await apply(await project(), run);
  const [source] = await run(
    "select pg_get_function_sqlbody(oid) as body from pg_proc where proname = 'get_active_sync_job'",
  );
  // The RPC is a black box to EXPLAIN; its text, with the argument left out, shows the plan inside.
  // The RPC looks up its names when it is made, its text does when it runs.
  await run("grant usage on schema private to authenticated");
  const inside = String(source?.body)
    .replace(/^BEGIN ATOMIC|END$/g, "")
    .replace(/(get_active_sync_job\.)?p_agency_id/, "null::uuid")
    .replace(/;\s*$/, "");

  const measurements: Measurement[] = [];
  let size = { jobs: 0, agencies: 0 };
  for (const next of SIZES.filter(({ jobs }) => jobs <= limit)) {
    await run(grow(size, next));
    await run("vacuum (analyze)");
    size = next;
    for (const [query, statement] of Object.entries(QUERIES)) {
      const samples: Awaited<ReturnType<typeof explain>>[] = [];
      for (let i = -5; i < SAMPLES; i++) {
        // Spread over the table; the RPC is asked by agencies with an active job.
        const user = Math.floor(((i + 5) / (SAMPLES + 5)) * (size.agencies / 10)) * 10;
        const sample = await explain(run, user, statement(uuid("a", user), uuid("b", user)));
        if (i >= 0) samples.push(sample);
      }
      measurements.push({
        ...size,
        query,
        plan: query === "RPC" ? (await explain(run, 0, inside)).plan : samples[0]?.plan ?? "",
        buffers: median(samples.map(({ buffers }) => buffers)),
        ms: median(samples.map(({ ms }) => ms)),
      });
    }
  }
  return measurements;
}

async function onPostgres(server: string): Promise<Measurement[]> {
  const { url, drop } = await createDatabase(server);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await measure(async (script) => {
      const result: unknown = await sql.unsafe(script).simple();
      const results = Array.isArray(result) ? result : [];
      const last = results.at(-1);
      return Array.isArray(last) ? last : results;
    }, 10_000_000);
  } finally {
    await sql.end();
    await drop();
  }
}

async function onPglite(): Promise<Measurement[]> {
  const database = await PGlite.create();
  try {
    return await measure(async (script) => (await database.exec(script)).at(-1)?.rows ?? [], 100_000);
  } finally {
    await database.close();
  }
}

/** What the queries cost at each size, on the server that DATABASE_URL names or on PGlite. */
export async function scale(): Promise<Measurement[]> {
  const server = databaseServer();
  return server ? await onPostgres(server) : await onPglite();
}

/** Why a scale table is not what the project promises; empty where it is. */
export function scaleFailures(measurements: Measurement[]): string[] {
  return Object.keys(QUERIES).flatMap((query) => {
    const rows = measurements.filter((row) => row.query === query);
    const [smallest, largest] = [rows[0]?.buffers ?? NaN, rows.at(-1)?.buffers ?? NaN];
    return [
      ...(largest - smallest <= ADDED_PAGES ? [] : [`${query}: ${smallest} pages grow to ${largest}`]),
      ...(rows.some(({ plan }) => /Seq Scan|Sort|Bitmap/.test(plan)) ? [`${query}: scans or sorts`] : []),
    ];
  });
}
