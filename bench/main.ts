/** `deno task bench`, on Linux: fails if a goal is missed, which compares two columns of the same run. */

import postgres from "postgres";
import { createDatabase, databaseServer } from "../local/database.ts";
import { apply, project } from "../local/platform.ts";
import { type Column, COLUMNS, startUpstream } from "./functions.ts";
import { coldStart, latency, type Measure, usage } from "./polls.ts";
import { table } from "./table.ts";

/** What the first column may be at most, times the second: one round trip in the place of three, two of four. */
const GOALS: Record<string, number> = {
  "active poll, ms": 0.5,
  "idle poll, ms": 0.65,
  "CPU of an active poll, µs": 1.2,
};

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

/** By row, column and round. */
const readings = new Map<string, number[][]>();
/** Measures each column in turn, so that a noisy machine is noisy to all. */
async function inTurn(rounds: number, columns: Column[], measure: Measure): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const [i, column] of columns.entries()) {
      for (const [row, value] of Object.entries(await measure(upstreamUrl, column))) {
        const byColumn = readings.get(row) ?? COLUMNS.map(() => []);
        byColumn[i]?.push(value);
        readings.set(row, byColumn);
      }
    }
  }
}

console.error("Measuring for some minutes …");
const upstreamUrl = await startUpstream();
await inTurn(9, COLUMNS, latency);
// Where the caller and the database are makes no difference to these.
await inTurn(5, COLUMNS.slice(0, 2), usage);
await inTurn(9, COLUMNS.slice(0, 2), coldStart);

const lines: string[][] = [];
const missed: string[] = [];
for (const [row, byColumn] of readings) {
  lines.push([row, ...byColumn.map((values) => values.length ? median(values).toFixed(0) : "")]);
  const [ours = [], inARow = []] = byColumn;
  const ratio = median(ours.map((value, round) => value / (inARow[round] ?? NaN)));
  const goal = GOALS[row];
  if (goal && !(ratio <= goal)) missed.push(`${row}: ${ratio.toFixed(2)} times; the goal is at most ${goal}`);
}
console.log(table(["", ...COLUMNS.map(({ name }) => name)], lines));

const server = databaseServer();
if (server) {
  const { url, drop } = await createDatabase(server);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await apply(await project(), (script) => sql.unsafe(script));
  const results = await sql.unsafe(await Deno.readTextFile(new URL("plans.sql", import.meta.url))).simple();
  for (const row of results.flat()) {
    if ("QUERY PLAN" in row) console.log(row["QUERY PLAN"]);
  }
  await sql.end();
  await drop();
}

for (const goal of missed) console.error(goal);
Deno.exit(missed.length ? 1 : 0);
