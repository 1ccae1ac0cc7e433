import { type Column, inProcess, poller } from "./functions.ts";

/** Measures a column once; gives readings by row. */
export type Measure = (upstreamUrl: string, column: Column) => Promise<Record<string, number>>;

/** Polls before and in a measurement of the CPU: by then V8 has compiled everything. */
const POLLS = 8_000;

export const latency: Measure = (upstreamUrl, { entrypoint, callerMs, upstreamMs }) =>
  inProcess(upstreamUrl, entrypoint, async ({ url }) => {
    const readings: Record<string, number> = {};
    for (const situation of ["active", "idle"] as const) {
      const warm = await poller(situation);
      for (let i = 0; i < 20; i++) await warm(url);
      const poll = await poller(situation, callerMs, upstreamMs);
      const before = performance.now();
      await poll(url);
      readings[`${situation} poll, ms`] = performance.now() - before;
    }
    return readings;
  });

export const coldStart: Measure = async (upstreamUrl, { entrypoint }) => {
  const poll = await poller("active");
  const before = performance.now();
  return await inProcess(upstreamUrl, entrypoint, async ({ url }) => {
    await poll(url);
    return { "cold start to the first answer, ms": performance.now() - before };
  });
};

/** A warm process with 32 polls in flight. */
export const usage: Measure = async (upstreamUrl, { entrypoint }) => {
  const poll = await poller("active");
  return await inProcess(upstreamUrl, entrypoint, async ({ pid, url }) => {
    const pollInTurn = async () => {
      for (let i = 0; i < POLLS / 32; i++) await poll(url);
    };
    const load = () => Promise.all(Array.from({ length: 32 }, pollInTurn));
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

/** A process's CPU time and resident memory: proc(5). */
async function readUsage(pid: number) {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  // After the name: utime and stime in hundredths of a second, rss in pages of 4 kB.
  const fields = stat.slice(stat.lastIndexOf(")")).split(" ").map(Number);
  const [utime = NaN, stime = NaN, rss = NaN] = [fields[12], fields[13], fields[22]];
  return { cpuMicros: (utime + stime) * 10_000, megabytes: rss * 4_096 / 1e6 };
}
