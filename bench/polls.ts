/**
 * What a poll costs, ours and its rivals' in one run: each round measures all
 * of them in turn, so that a noisy machine is noisy to all.
 *
 * @module
 */

import pidusage from "pidusage";
import { z } from "zod";
import { median } from "./median.ts";
import { poll, type Rival, tokenFor, type Upstream } from "./rivals.ts";

/** The readings of each function, round by round: the same index is the same round for all. */
export type Rounds = Record<Rival, number[]>;

/** Measures each function in so many rounds. */
async function inTurn(rounds: number, measure: (name: Rival) => Promise<number>): Promise<Rounds> {
  const result: Rounds = { "get-sync-status": [], "steps in a row": [], "one wave unchecked": [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, values] of Object.entries(result)) values.push(await measure(name as Rival));
  }
  return result;
}

async function timed(task: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await task();
  return performance.now() - before;
}

/** One poll at a time with the upstream 50 ms away, in milliseconds, and one request to the upstream and back. */
export async function latency(
  upstream: Upstream,
  situation: "active" | "idle",
): Promise<{ ms: Rounds; roundTripMs: number }> {
  const [near, token] = [await tokenFor(situation), await tokenFor(situation, 50)];
  const roundTrips: number[] = [];
  const ms = await inTurn(9, async (name) => {
    const { url, stop } = await upstream.start(name);
    for (let i = 0; i < 20; i++) await poll(url, near);
    // As measured, and not the 50 ms: a timer's slack is no poll's fault.
    roundTrips.push(await timed(() => poll(`${upstream.url}/auth/v1/user`, token)));
    const result = await timed(() => poll(url, token));
    await stop();
    return result;
  });
  return { ms, roundTripMs: median(roundTrips) };
}

const IN_FLIGHT = 32;

/** Polls before and in a measurement: by then V8 has compiled what there is to compile. */
const POLLS = 8_000;

async function load(url: string, token: string): Promise<void> {
  let left = POLLS;
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (left-- > 0) {
      const { status, text } = await poll(url, token);
      if (status !== 200) throw new Error(`${status} under load: ${text}`);
    }
  }));
}

/** What is read of pidusage's result: CPU time so far in milliseconds. */
const usage = z.object({ ctime: z.number() });

/**
 * Measures the CPU time of a warm function's process for a poll at 32 in
 * flight, in microseconds. Each time in a process of its own: from one to the
 * next the same code differs by a tenth.
 */
export async function cpuOfPoll(
  upstream: Upstream,
  name: Rival,
  situation: "active" | "idle",
): Promise<number> {
  const { pid, url, stop } = await upstream.start(name);
  try {
    const token = await tokenFor(situation);
    await load(url, token);
    const before = usage.parse(await pidusage(pid)).ctime;
    await load(url, token);
    return (usage.parse(await pidusage(pid)).ctime - before) * 1_000 / POLLS;
  } finally {
    await stop();
  }
}

/** The CPU time of an active poll, in microseconds. */
export function cpu(upstream: Upstream): Promise<Rounds> {
  return inTurn(5, (name) => cpuOfPoll(upstream, name, "active"));
}

/** From the start of the process to its first answer, in milliseconds. */
export async function coldStart(upstream: Upstream): Promise<Rounds> {
  const token = await tokenFor("active");
  return await inTurn(15, async (name) => {
    const before = performance.now();
    const { url, stop } = await upstream.start(name);
    await poll(url, token);
    const result = performance.now() - before;
    await stop();
    return result;
  });
}
