/**
 * What a poll costs, ours and its rival's in one run: each round measures
 * both in turn, so that a noisy machine is noisy to all.
 */

import assert from "node:assert/strict";
import pidusage from "pidusage";
import { z } from "zod";
import type { FunctionProcess } from "../local/function_process.ts";
import { median } from "./report.ts";
import { ANSWERS, poll, type Rival, type Situation, tokenFor, type Upstream } from "./rivals.ts";

/** The readings of each function, round by round: the same index is the same round for all. */
export type Rounds = Record<Rival, number[]>;

/** Measures each function in so many rounds. */
async function inTurn(rounds: number, measure: (name: Rival) => Promise<number>): Promise<Rounds> {
  const result: Rounds = { "get-sync-status": [], "steps in a row": [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, values] of Object.entries(result)) values.push(await measure(name as Rival));
  }
  return result;
}

/** Measures in a process of its own: from one to the next the same code differs by a tenth. */
async function inProcess<Result>(
  upstream: Upstream,
  name: Rival,
  measure: (started: FunctionProcess) => Promise<Result>,
): Promise<Result> {
  const started = await upstream.start(name);
  try {
    return await measure(started);
  } finally {
    await started.stop();
  }
}

async function timed(task: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await task();
  return performance.now() - before;
}

/** One poll at a time with the upstream 50 ms away: milliseconds, and those of one request to the upstream. */
export async function measureLatency(
  upstream: Upstream,
  situation: Situation,
): Promise<{ ms: Rounds; roundTripMs: number }> {
  const [near, token] = [await tokenFor(situation), await tokenFor(situation, 50)];
  const roundTrips: number[] = [];
  const ms = await inTurn(9, (name) =>
    inProcess(upstream, name, async ({ url }) => {
      for (let i = 0; i < 20; i++) assert.deepEqual(await poll(url, near), ANSWERS[situation]);
      // As measured, and not the 50 ms: a timer's slack is no poll's fault.
      roundTrips.push(await timed(() => poll(`${upstream.url}/auth/v1/user`, token)));
      return await timed(() => poll(url, token));
    }));
  return { ms, roundTripMs: median(roundTrips) };
}

/** Polls before and in a measurement: by then V8 has compiled what there is to compile. */
const POLLS = 8_000;

/** Polls so many times, 32 at once. */
async function load(url: string, token: string): Promise<void> {
  let left = POLLS;
  await Promise.all(Array.from({ length: 32 }, async () => {
    while (left-- > 0) await poll(url, token);
  }));
}

/** What is read of pidusage's result: CPU time so far in milliseconds. */
const usage = z.object({ ctime: z.number() });

/** The CPU time of a warm function's process for a poll at 32 in flight, in microseconds. */
export async function measureCpu(
  upstream: Upstream,
  name: Rival,
  situation: Situation,
): Promise<number> {
  const token = await tokenFor(situation);
  return await inProcess(upstream, name, async ({ pid, url }) => {
    await load(url, token);
    const before = usage.parse(await pidusage(pid)).ctime;
    await load(url, token);
    return (usage.parse(await pidusage(pid)).ctime - before) * 1_000 / POLLS;
  });
}

/** The same of an active poll, for each function. */
export function compareCpu(upstream: Upstream): Promise<Rounds> {
  return inTurn(5, (name) => measureCpu(upstream, name, "active"));
}

/** From the start of the process to its first answer, in milliseconds. */
export async function measureColdStart(upstream: Upstream): Promise<Rounds> {
  const token = await tokenFor("active");
  return await inTurn(15, async (name) => {
    const before = performance.now();
    return await inProcess(upstream, name, async ({ url }) => {
      await poll(url, token);
      return performance.now() - before;
    });
  });
}
