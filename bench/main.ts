/**
 * `deno task bench`: what a poll costs, side by side with the steps in a row, and with DATABASE_URL the plans
 * of its queries. Needs Linux. Fails if a goal is missed: each compares two columns of the same run.
 */

import postgres from "postgres";
import { createDatabase, databaseServer } from "../local/database.ts";
import { apply, project } from "../local/platform.ts";
import { COLUMNS, startUpstream } from "./functions.ts";
import { coldStart, inTurn, latency, usage } from "./polls.ts";
import { table } from "./table.ts";

/** What the first column may be at most, times the second: an active poll is one round trip for three, an idle one two for four. */
const GOALS: Record<string, number> = {
  "active poll, ms": 0.5,
  "idle poll, ms": 0.65,
  "CPU of an active poll, µs": 1.2,
};

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

const names = Object.keys(COLUMNS);
const [ours = "", steps = ""] = names;
console.error("Measuring for about two minutes …");
const upstream = await startUpstream();
const measured = [
  await inTurn(9, latency, upstream.url, names),
  await inTurn(5, usage, upstream.url, [ours, steps]),
  await inTurn(9, coldStart, upstream.url, [ours, steps]),
];
upstream.stop();

const lines: string[][] = [];
const missed: string[] = [];
for (const readings of measured) {
  for (const row of Object.keys(readings[ours]?.[0] ?? {})) {
    const column = (name: string) => (readings[name] ?? []).map((reading) => reading[row] ?? NaN);
    lines.push([row, ...names.map((name) => column(name).length ? median(column(name)).toFixed(0) : "")]);
    // Round against the same round: a machine's noise is in both.
    const ratio = median(column(ours).map((value, round) => value / (column(steps)[round] ?? NaN)));
    const goal = GOALS[row];
    if (goal && !(ratio <= goal)) {
      missed.push(`${row}: ${ratio.toFixed(2)} times, and at most ${goal} is the goal`);
    }
  }
}
console.log(table(["", ...names], lines));

const server = databaseServer();
if (server) {
  const { url, drop } = await createDatabase(server);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await apply(await project(), (script) => sql.unsafe(script));
  const results = await sql.unsafe(await Deno.readTextFile(new URL("plans.sql", import.meta.url))).simple();
  for (const plan of results.flat().flatMap((row) => row["QUERY PLAN"] ?? [])) console.log(plan);
  await sql.end();
  await drop();
}

for (const goal of missed) console.error(goal);
Deno.exit(missed.length ? 1 : 0);
