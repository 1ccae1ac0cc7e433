/**
 * `deno task bench`: what a poll costs beside what a team would otherwise
 * write, and what the database does for it. Prints the tables of
 * docs/performance.md as they stand there. Fails if a goal is missed.
 */

import { findFailures, measureQueries, showQueries } from "./database.ts";
import { compareCpu, measureColdStart, measureLatency, type Rounds } from "./polls.ts";
import { announce, findMissed, type Goal, median, table } from "./report.ts";
import { NAMES, startUpstream } from "./rivals.ts";

const upstream = await startUpstream();
announce("how long a poll takes, and a cold start", "half a minute");
const active = await measureLatency(upstream, "active");
const idle = await measureLatency(upstream, "idle");
const starts = await measureColdStart(upstream);
announce("the CPU of a poll", "a minute");
const cpuMicros = await compareCpu(upstream);
upstream.stop();

/** A row of medians, one for each function. */
const row = (what: string, rounds: Rounds, show = (value: number) => value.toFixed(0)) => [
  what,
  ...NAMES.map((name) => show(median(rounds[name]))),
];
const withTrips = (roundTripMs: number) => (ms: number) =>
  `${ms.toFixed(1)} (${(ms / roundTripMs).toFixed(2)})`;
console.log(table(["", ...NAMES], [
  row("active poll: ms (round trips)", active.ms, withTrips(active.roundTripMs)),
  row("idle poll: ms (round trips)", idle.ms, withTrips(idle.roundTripMs)),
  row("CPU of an active poll, µs", cpuMicros),
  row("cold start to the first answer, ms", starts),
]));

/** Our CPU against the other's, round against the same round: a machine's noise is in both. */
const cpuRatios = cpuMicros["get-sync-status"].map((ours, round) =>
  ours / (cpuMicros["steps in a row"][round] ?? NaN)
);
const trips = ({ ms, roundTripMs }: typeof active) => median(ms["get-sync-status"]) / roundTripMs;
const goals: Goal[] = [
  { what: "round trips of an active poll", value: trips(active), atMost: 1.1 },
  { what: "round trips of an idle poll", value: trips(idle), atMost: 2.1 },
  { what: "CPU, times the steps in a row", value: median(cpuRatios), atMost: 1.2 },
];
// Nothing is measured there without a server.
const queries = await measureQueries();
if (queries.length) console.log(`\n${showQueries(queries)}`);
const failures = [...findMissed(goals), ...findFailures(queries)];
for (const failure of failures) console.error(failure);
Deno.exit(failures.length ? 1 : 0);
