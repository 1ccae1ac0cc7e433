/**
 * What the three queries of a poll cost as the tables grow, as PostgREST runs
 * them: prepared, role authenticated, claims set, row-level security on.
 */

import postgres from "postgres";
import { createDatabase, databaseServer } from "../local/database.ts";
import { apply, project } from "../local/platform.ts";
import { median, table } from "./report.ts";

/** Jobs in the table; there are a tenth as many agencies. */
const SIZES = [10_000, 1_000_000];

/** Pages that a hundred times the jobs may add: a query descends into at most three B-trees. */
const ADDED_PAGES = 3;

const SAMPLES = 41;

const id = (kind: "a" | "b", number: string) =>
  `('${kind}0000000-0000-4000-8000-' || lpad(to_hex(${number}), 12, '0'))::uuid`;

/** Adds jobs, agencies and their users up to a size: every tenth agency has an active job. */
const grow = (from: number, to: number) => {
  const agencies = `generate_series(${from / 10}, ${to / 10} - 1) as i`;
  return [
    "set session_replication_role = replica",
    `insert into public.agencies (id, name) select ${id("a", "i")}, 'Agency ' || i from ${agencies}`,
    `insert into public.users (id, agency_id) select ${id("b", "i")}, ${id("a", "i")} from ${agencies}`,
    `insert into public.historical_sync_jobs (agency_id, status, date_from, date_to)
     select ${id("a", "i")}, 'in_progress', '2025-01-01', '2025-03-01' from ${agencies} where i % 10 = 0`,
    `insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, created_at)
     select ${
      id("a", `i % ${to / 10}`)
    }, ('{completed,failed,cancelled}'::public.sync_job_status[])[1 + i % 3],
            '2025-01-01', '2025-03-01', '2020-01-01'::timestamptz + i * interval '10 seconds'
     from   generate_series(${from}, ${to} - 1) as i`,
    "set session_replication_role = origin",
    "vacuum (analyze)",
  ];
};

/** One query at one size. */
export interface Measurement {
  jobs: number;
  query: string;
  /** What all plans scan and sort; one index if all is well. */
  index: string;
  /** Pages of 8 kB that it touches, planned by its parameters or once for all: medians. */
  custom: number;
  generic: number;
  /** Execution time in milliseconds by the generic plan: a median. */
  ms: number;
}

/** What the queries cost at each size, in a database of its own; nothing if DATABASE_URL names no server. */
export async function measureQueries(): Promise<Measurement[]> {
  const server = databaseServer();
  if (!server) return [];
  const { url, drop } = await createDatabase(server);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await apply(await project(), (script) => sql.unsafe(script).simple());
    // The RPC is a black box to EXPLAIN: what runs inside is prepared, without the argument.
    const [rpc] = await sql`select pg_get_function_sqlbody('public.get_active_sync_job'::regproc) as body`;
    await sql`grant usage on schema private to authenticated`;
    const inside = String(rpc?.body).replace(/^BEGIN ATOMIC|;\s*END$/g, "").replace(
      /(\w+\.)?p_agency_id/,
      "null::uuid",
    );
    await sql`prepare users (uuid) as select agency_id from public.users where id = $1`.simple();
    await sql.unsafe(`prepare rpc as ${inside}`);
    await sql`
      prepare fallback (uuid, public.sync_job_status[], integer) as
      select * from public.historical_sync_jobs where agency_id = $1 and status = any ($2)
      order by created_at desc, id desc limit $3`.simple();
    /** Explains a query as a user runs it; each tenth agency, which has the user's number, has an active job. */
    const explain = async (query: string, mode: string, user: number) => {
      const [ids] = await sql.unsafe(`select ${id("a", `${user}`)} as agency, ${id("b", `${user}`)} as user`);
      const parameters = {
        "users": `('${ids?.user}')`,
        "fallback": `('${ids?.agency}', '{completed,failed,cancelled}', 1)`,
      }[query] ?? "";
      await sql.unsafe(`begin; set local plan_cache_mode = force_${mode}_plan; set local role authenticated;
        set local request.jwt.claims = '{"sub": "${ids?.user}"}'`).simple();
      const lines = await sql.unsafe(`explain (analyze, buffers) execute ${query} ${parameters}`).values();
      await sql`rollback`;
      const text = lines.flat().join("\n");
      const [, hit = 0, read = 0] = /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/.exec(text) ?? [];
      return {
        scans: text.match(/(?<=Index (Only )?Scan using )\w+|(Seq|Bitmap \w+) Scan|Sort Key/g) ?? [],
        pages: Number(hit) + Number(read),
        ms: Number(/Execution Time: (\S+)/.exec(text)?.[1]),
      };
    };

    const measurements: Measurement[] = [];
    let before = 0;
    for (const jobs of SIZES) {
      console.error(`Measuring ${jobs.toLocaleString("en")} jobs …`);
      for (const statement of grow(before, jobs)) await sql.unsafe(statement);
      before = jobs;
      for (const query of ["users", "rpc", "fallback"]) {
        const explainAll = async (mode: string) => {
          const all = [];
          for (let i = 0; i < SAMPLES; i++) {
            all.push(await explain(query, mode, Math.floor(i / SAMPLES * jobs / 100) * 10));
          }
          return all;
        };
        const [custom, generic] = [await explainAll("custom"), await explainAll("generic")];
        measurements.push({
          jobs,
          query,
          index: [...new Set([...custom, ...generic].flatMap(({ scans }) => scans))].join(", "),
          custom: median(custom.map(({ pages }) => pages)),
          generic: median(generic.map(({ pages }) => pages)),
          ms: median(generic.map(({ ms }) => ms)),
        });
      }
    }
    return measurements;
  } finally {
    await sql.end();
    await drop();
  }
}

/** The measurements as a table in Markdown. */
export function showQueries(measurements: Measurement[]): string {
  const rows = measurements.map((
    { jobs, query, index, custom, generic, ms },
  ) => [jobs.toLocaleString("en"), query, `\`${index}\``, `${custom}`, `${generic}`, ms.toFixed(2)]);
  return table(["Jobs", "Query", "Index", "Pages, custom plan", "Pages, generic plan", "ms"], rows);
}

/** Why the measurements are not what the project promises; empty if they are. */
export function findFailures(measurements: Measurement[]): string[] {
  return measurements.filter(({ query, index, custom, generic }) => {
    const least = measurements.find((row) => row.query === query)?.custom ?? 0;
    return !/^\w+$/.test(index) || Math.max(custom, generic) - least > ADDED_PAGES;
  }).map(({ jobs, query, index, custom, generic }) =>
    `${query} at ${jobs} jobs: ${index}, ${custom} or ${generic} pages`
  );
}
