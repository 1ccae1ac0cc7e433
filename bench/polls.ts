/**
 * What a poll costs, ours and its rivals' in one run: each round measures all
 * of them in turn, so that a noisy machine is noisy to all.
 *
 * @module
 */

import autocannon from "autocannon";
import pidusage from "pidusage";
import { z } from "zod";
import type { FunctionProcess } from "../local/function_process.ts";
import { deno, pathOf } from "../local/commands.ts";
import { KEY } from "../tests/support/fake_upstream.ts";
import { median } from "./median.ts";
import { NAMES, poll, type Rival, type Started, STARTED_NAMES, type Upstream } from "./rivals.ts";

/** The readings of each function, round by round: the same index is the same round for all. */
export type Rounds<Name extends string = Rival> = Record<Name, number[]>;

/** The rivals, running. */
export type Functions = Record<Rival, FunctionProcess>;

const noRounds = <Name extends string>(names: readonly Name[]) =>
  Object.fromEntries(names.map((name) => [name, []])) as unknown as Rounds<Name>;

/** Calls `measure` for each name in each round, every round beginning with another one. */
async function inTurn<Name extends string>(
  names: readonly Name[],
  rounds: number,
  measure: (name: Name) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) await measure(name);
  }
}

async function timed(task: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await task();
  return performance.now() - before;
}

/** One poll at a time with the upstream so far away: milliseconds per poll, and upstream requests per poll. */
export interface Latency {
  upstreamMs: number;
  /** One request to the upstream and back, as measured: a timer's slack is no poll's fault. */
  roundTripMs: number;
  caller: "active" | "idle";
  ms: Rounds;
  requests: Rounds;
}

/** Measures how long one poll takes, and what it asks of the upstream. */
export async function latency(upstream: Upstream, functions: Functions): Promise<Latency[]> {
  const results: Latency[] = [];
  for (const [upstreamMs, polls] of [[0, 50], [50, 7], [150, 3]] as const) {
    for (const caller of ["active", "idle"] as const) {
      await upstream.moveTo(upstreamMs);
      const roundTrips: number[] = [];
      for (let i = 0; i < 7; i++) roundTrips.push(await timed(() => poll(upstream.url, "")));
      const result = {
        upstreamMs,
        roundTripMs: median(roundTrips),
        caller,
        ms: noRounds(NAMES),
        requests: noRounds(NAMES),
      };
      await inTurn(NAMES, 3, async (name) => {
        const url = functions[name].url;
        // Opens the connections again that were closed while the others were measured.
        await upstream.moveTo(0);
        await poll(url, upstream.tokens[caller]);
        await upstream.moveTo(upstreamMs);
        const samples: number[] = [];
        for (let i = 0; i < polls; i++) samples.push(await timed(() => poll(url, upstream.tokens[caller])));
        result.ms[name].push(median(samples));
        result.requests[name].push(await upstream.moveTo(0) / polls);
      });
      results.push(result);
    }
  }
  return results;
}

/** What is read of autocannon's result: answers by kind, seconds, milliseconds. */
const loadResult = z.object({
  "2xx": z.int().positive(),
  non2xx: z.literal(0),
  errors: z.literal(0),
  duration: z.number(),
  latency: z.object({ p50: z.number(), p99: z.number() }),
});

/** What is read of pidusage's result: CPU time so far in milliseconds, resident memory in bytes. */
const processUsage = z.object({ ctime: z.number(), memory: z.number() });

const usage = async (pid: number) => processUsage.parse(await pidusage(pid));

/** Loads a function with active polls; fails on any answer but 200. */
async function load(
  url: string,
  token: string,
  inFlight: number,
  until: { duration: number } | { amount: number },
) {
  const result = loadResult.parse(
    await autocannon({
      url,
      connections: inFlight,
      headers: { apikey: KEY, Authorization: `Bearer ${token}` },
      ...until,
    }),
  );
  return {
    polls: result["2xx"],
    seconds: result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  };
}

/** As many polls in flight at once, with the upstream at no distance. */
export interface Throughput {
  inFlight: number;
  pollsPerSecond: Rounds;
  p50Ms: Rounds;
  p99Ms: Rounds;
  /** CPU time of the function's process per poll, in microseconds. */
  cpuMicros: Rounds;
}

/** Polls in flight, rounds, and seconds of a round. */
const LOADS = [[1, 3, 1], [32, 5, 2], [256, 3, 3]] as const;

/**
 * Measures polls per second, the middle and the slowest of a hundred, and CPU
 * time per poll.
 *
 * Each round has a process of its own: from one to the next the same code
 * differs by a tenth, by what V8 makes of it.
 */
export async function throughput(upstream: Upstream): Promise<Throughput[]> {
  const token = upstream.tokens.active;
  const results: Throughput[] = [];
  for (const [inFlight, rounds, duration] of LOADS) {
    const result = {
      inFlight,
      pollsPerSecond: noRounds(NAMES),
      p50Ms: noRounds(NAMES),
      p99Ms: noRounds(NAMES),
      cpuMicros: noRounds(NAMES),
    };
    await inTurn(NAMES, rounds, async (name) => {
      const { pid, url, stop } = await upstream.start(name);
      try {
        // Compiles, and opens the connections to the upstream: in a short round they would be the p99.
        await load(url, token, Math.max(inFlight, 32), { duration: 2 });
        const before = (await usage(pid)).ctime;
        const { polls, seconds, p50Ms, p99Ms } = await load(url, token, inFlight, { duration });
        result.cpuMicros[name].push(((await usage(pid)).ctime - before) * 1000 / polls);
        result.pollsPerSecond[name].push(polls / seconds);
        result.p50Ms[name].push(p50Ms);
        result.p99Ms[name].push(p99Ms);
      } finally {
        await stop();
      }
    });
    results.push(result);
  }
  return results;
}

/** CPU time of the function's process for a poll, in microseconds, at 32 in flight. */
export async function cpuOfPoll(upstream: Upstream, caller: "active" | "idle"): Promise<number> {
  const { pid, url, stop } = await upstream.start("get-sync-status");
  try {
    await load(url, upstream.tokens[caller], 32, { duration: 2 });
    const before = (await usage(pid)).ctime;
    const { polls } = await load(url, upstream.tokens[caller], 32, { duration: 3 });
    return ((await usage(pid)).ctime - before) * 1000 / polls;
  } finally {
    await stop();
  }
}

/** From the start of the process to its first answer, in milliseconds. */
export async function coldStart(upstream: Upstream): Promise<Rounds<Started>> {
  const result = noRounds(STARTED_NAMES);
  await inTurn(STARTED_NAMES, 15, async (name) => {
    const before = performance.now();
    const started = await upstream.start(name);
    await poll(started.url, upstream.tokens.active);
    result[name].push(performance.now() - before);
    await started.stop();
  });
  return result;
}

const MODULES = ["@supabase/supabase-js", "@supabase/server", "zod", "zod/mini"] as const;

/** What loading a module alone costs in a fresh process, in milliseconds, round by round. */
export async function importCost(): Promise<Rounds<typeof MODULES[number]>> {
  const result = noRounds(MODULES);
  const script = pathOf("import_cost.ts", import.meta.url);
  await inTurn(MODULES, 9, async (module) => {
    result[module].push(
      Number(await deno(["run", "--quiet", "--allow-env", "--allow-read", script, module])),
    );
  });
  return result;
}

/** Resident memory of the function's process after so many polls, in bytes. */
export async function memory(upstream: Upstream): Promise<{ polls: number; bytes: number }[]> {
  const started = await upstream.start("get-sync-status");
  try {
    const readings: { polls: number; bytes: number }[] = [];
    let polled = 0;
    for (const polls of [10_000, 100_000]) {
      await load(started.url, upstream.tokens.active, 32, { amount: polls - polled });
      polled = polls;
      readings.push({ polls, bytes: (await usage(started.pid)).memory });
    }
    return readings;
  } finally {
    await started.stop();
  }
}

/**
 * How long browsers keep a preflight's answer at most, and without
 * `Access-Control-Max-Age`, in seconds.
 *
 * @see https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Access-Control-Max-Age
 */
const BROWSERS = { "Chromium": 7_200, "Firefox": 86_400 };
const WITHOUT_MAX_AGE = 5;

/** How often a page polls, in seconds. */
const INTERVAL = 10;

/** Requests that a browser sends per poll: the poll, and the preflights it cannot answer from its cache. */
export async function preflights(
  functions: Functions,
): Promise<{ name: Rival; browser: string; requests: number }[]> {
  const results: { name: Rival; browser: string; requests: number }[] = [];
  for (const name of NAMES) {
    const response = await fetch(functions[name].url, { method: "OPTIONS" });
    await response.body?.cancel();
    const maxAge = Number(response.headers.get("Access-Control-Max-Age") ?? WITHOUT_MAX_AGE);
    for (const [browser, cap] of Object.entries(BROWSERS)) {
      const kept = Math.min(maxAge, cap);
      results.push({ name, browser, requests: 1 + INTERVAL / Math.max(kept, INTERVAL) });
    }
  }
  return results;
}
