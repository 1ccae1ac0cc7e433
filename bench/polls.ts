import { COLUMNS, inProcess, type Placed, poller } from "./functions.ts";

/** Readings by the row they have in the table. */
type Readings = Record<string, number>;

/** How one column is measured once, on an upstream. */
type Measure = (upstreamUrl: string, column: Placed) => Promise<Readings>;

/** Polls before and in a measurement of the CPU: by then V8 has compiled what there is to compile. */
const POLLS = 8_000;

const NEAR = { callerMs: 0, upstreamMs: 0 };

/** One poll at a time. */
export const latency: Measure = (upstreamUrl, column) =>
  inProcess(upstreamUrl, column, async ({ url }) => {
    const readings: Readings = {};
    for (const situation of ["active", "idle"] as const) {
      const warm = await poller(situation, NEAR);
      for (let i = 0; i < 20; i++) await warm(url);
      const poll = await poller(situation, column);
      const before = performance.now();
      await poll(url);
      readings[`${situation} poll, ms`] = performance.now() - before;
    }
    return readings;
  });

/** From the start of the process to its first answer. */
export const coldStart: Measure = async (upstreamUrl, column) => {
  const poll = await poller("active", NEAR);
  const before = performance.now();
  return await inProcess(upstreamUrl, column, async ({ url }) => {
    await poll(url);
    return { "cold start to the first answer, ms": performance.now() - before };
  });
};

/** A warm process with 32 polls in flight. */
export const usage: Measure = async (upstreamUrl, column) => {
  const poll = await poller("active", NEAR);
  return await inProcess(upstreamUrl, column, async ({ pid, url }) => {
    const load = async () => {
      let left = POLLS;
      await Promise.all(Array.from({ length: 32 }, async () => {
        while (left-- > 0) await poll(url);
      }));
    };
    await load();
    const before = await readUsage(pid);
    await load();
    const after = await readUsage(pid);
    return {
      "CPU of an active poll, µs": (after.cpuMicros - before.cpuMicros) / POLLS,
      [`memory after ${2 * POLLS} polls, MB`]: after.megabytes,
    };
  });
};

/** The CPU time that a process has used, and its resident memory: as Linux says, see proc(5). */
async function readUsage(pid: number) {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // After the name, which may contain blanks: utime and stime in hundredths of a second, rss in pages of 4 kB.
  const fields = stat.slice(stat.lastIndexOf(")")).split(" ").map(Number);
  const [utime = NaN, stime = NaN, rss = NaN] = [fields[12], fields[13], fields[22]];
  return { cpuMicros: (utime + stime) * 10_000, megabytes: rss * 4_096 / 1e6 };
}

/** Measures columns in so many rounds, each in turn, so that a noisy machine is noisy to all. */
export async function inTurn(rounds: number, measure: Measure, upstreamUrl: string, columns: string[]) {
  const all: Record<string, Readings[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const name of columns) {
      const column = COLUMNS[name];
      if (column) (all[name] ??= []).push(await measure(upstreamUrl, column));
    }
  }
  return all;
}
