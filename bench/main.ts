/**
 * `deno task bench`: what a poll costs side by side with what a team would
 * otherwise write, and what the database has to do for it. `--json` prints the
 * readings of every round instead of the tables.
 *
 * @module
 */

import { databaseServer } from "../local/database.ts";
import { scale, scaleFailures } from "./database.ts";
import { median } from "./median.ts";
import * as polls from "./polls.ts";
import { keepsTheSpec, NAMES, type Rival, type Started, STARTED_NAMES, startUpstream } from "./rivals.ts";

const json = Deno.args.includes("--json");
const say = json ? () => {} : console.log;

/** The middle of the rounds, and from where to where they went. */
function spread(values: number[], digits: number): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

/** Ours against another's, round against the same round: a machine's noise is in both. */
function ratio(rounds: polls.Rounds & Partial<polls.Rounds<Started>>, other: Started): number {
  return median(rounds["get-sync-status"].map((ours, round) => ours / (rounds[other]?.[round] ?? NaN)));
}

function table(title: string, rows: Record<string, string | number>[]): void {
  say(`\n${title}`);
  if (!json) console.table(rows);
}

const upstream = await startUpstream();
const functions = Object.fromEntries(
  await Promise.all(NAMES.map(async (name) => [name, await upstream.start(name)])),
) as polls.Functions;

let result;
try {
  for (const name of NAMES) await keepsTheSpec(functions[name].url, upstream.tokens);
  say(
    `Deno ${Deno.version.deno} on ${navigator.hardwareConcurrency} cores. All five answer as the spec says.`,
  );

  const latency = await polls.latency(upstream, functions);
  table(
    "One poll at a time: milliseconds (lowest to highest round), and round trips to the upstream",
    latency.flatMap(({ upstreamMs, roundTripMs, caller, ms, requests }) =>
      NAMES.map((name) => ({
        "upstream is away": `${upstreamMs} ms`,
        "poll": caller,
        "function": name,
        "ms": spread(ms[name], 1),
        "round trips": upstreamMs ? (median(ms[name]) / roundTripMs).toFixed(2) : "",
        "requests": median(requests[name]),
      }))
    ),
  );

  const throughput = await polls.throughput(upstream);
  table(
    "Active polls, the upstream at no distance",
    throughput.flatMap(({ inFlight, pollsPerSecond, p50Ms, p99Ms, cpuMicros }) =>
      NAMES.map((name) => ({
        "in flight": inFlight,
        "function": name,
        "polls per second": spread(pollsPerSecond[name], 0),
        "p50, ms": spread(p50Ms[name], 0),
        "p99, ms": spread(p99Ms[name], 0),
        "CPU per poll, µs": spread(cpuMicros[name], 0),
      }))
    ),
  );

  const memory = await polls.memory(upstream);
  table(
    "Resident memory of get-sync-status",
    memory.map(({ polls, bytes }) => ({ "after polls": polls, "MB": (bytes / 1e6).toFixed(1) })),
  );

  const preflights = await polls.preflights(functions);
  table(
    "Requests that a browser sends per poll, polling every 10 s",
    preflights.map(({ name, browser, requests }) => ({
      "function": name,
      browser,
      "requests": requests.toFixed(4),
    })),
  );

  for (const name of NAMES) await functions[name].stop();
  const coldStart = await polls.coldStart(upstream);
  table(
    "Cold start: from the start of the process to its first answer",
    STARTED_NAMES.map((name) => ({ "function": name, "ms": spread(coldStart[name], 0) })),
  );
  const importCost = await polls.importCost();
  table(
    "Loading a module alone",
    Object.entries(importCost).map(([module, ms]) => ({ module, "ms": spread(ms, 1) })),
  );
  result = { latency, throughput, memory, preflights, coldStart, importCost };
} finally {
  await Promise.all(NAMES.map((name) => functions[name].stop()));
  upstream.stop();
}

const jobs = await scale();
table(
  `The queries of a poll as the tables grow, on ${
    databaseServer() ? "a PostgreSQL server" : "PGlite (DATABASE_URL names a server for ten million jobs)"
  }`,
  jobs.map((row) => ({ ...row, ms: row.ms.toFixed(3) })),
);

const at = (upstreamMs: number, caller: string) => {
  const found = result.latency.find((row) => row.upstreamMs === upstreamMs && row.caller === caller);
  return found ? median(found.ms["get-sync-status"]) / found.roundTripMs : NaN;
};
const loaded = result.throughput.find(({ inFlight }) => inFlight === 32);
const rate = (rival: Rival) => loaded ? ratio(loaded.pollsPerSecond, rival) : NaN;
const cpu = (rival: Rival) => loaded ? ratio(loaded.cpuMicros, rival) : NaN;
const [early, late] = result.memory.map(({ bytes }) => bytes);

/** What the project wants to be, and what this run gave. */
const goals: [string, number, "at least" | "at most", number][] = [
  ["round trips of an active poll, 50 ms away", at(50, "active"), "at most", 1.1],
  ["round trips of an idle poll, 50 ms away", at(50, "idle"), "at most", 2.1],
  ["round trips of an active poll, 150 ms away", at(150, "active"), "at most", 1.04],
  ["round trips of an idle poll, 150 ms away", at(150, "idle"), "at most", 2.06],
  ["polls per second at 32 in flight, times one wave unchecked", rate("one wave unchecked"), "at least", 0.9],
  ["polls per second at 32 in flight, times the steps in a row", rate("steps in a row"), "at least", 1.3],
  ["polls per second at 32 in flight, times @supabase/server", rate("@supabase/server"), "at least", 1],
  ["polls per second at 32 in flight, times bare fetch", rate("bare fetch"), "at least", 0.65],
  ["CPU per poll, times one wave unchecked", cpu("one wave unchecked"), "at most", 1.1],
  ["CPU per poll, times the steps in a row", cpu("steps in a row"), "at most", 0.8],
  ["cold start, times its imports alone", ratio(result.coldStart, "its imports alone"), "at most", 1.15],
  ["cold start, times the steps in a row", ratio(result.coldStart, "steps in a row"), "at most", 1.1],
  ["cold start, times @supabase/server", ratio(result.coldStart, "@supabase/server"), "at most", 1],
  ["memory after 100,000 polls, times after 10,000", (late ?? NaN) / (early ?? NaN), "at most", 1.1],
];
table(
  "Ratios within this run (the median of the rounds' ratios)",
  goals.map(([what, value, bound, goal]) => ({
    "get-sync-status": what,
    "ratio": value.toFixed(2),
    "goal": `${bound} ${goal}`,
    "reached": (bound === "at most" ? value <= goal : value >= goal) ? "yes" : "no",
  })),
);
if (json) console.log(JSON.stringify({ ...result, jobs }, null, 2));

const failures = scaleFailures(jobs);
for (const failure of failures) console.error(failure);
Deno.exit(failures.length ? 1 : 0);
