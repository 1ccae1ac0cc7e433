/**
 * `deno task soak [seconds]`: holds load on the function while one of a hundred
 * upstream requests meets each fault and clients go away. Ends with 1 on a
 * wrong answer, an error without a fault, or growth of memory or sockets.
 *
 * @module
 */

import pidusage from "pidusage";
import { z } from "zod";
import { startFunction } from "../local/function_process.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import {
  ACTIVE_ROW,
  KEY,
  RECENT_ROW,
  type Responder,
  rows,
  startFakeUpstream,
  tokenOf,
  USER,
} from "../tests/support/fake_upstream.ts";
import { FAULTS, STEPS } from "../tests/support/faults.ts";
import { jobId, keepsContract } from "../tests/support/helpers.ts";
import { median } from "./median.ts";

const seconds = Number(Deno.args[0] ?? 60);
if (!(seconds > 0)) {
  console.error(`The argument is how many seconds to go on, not "${Deno.args[0]}".`);
  Deno.exit(1);
}

/** Each fault's share of the upstream requests, and of the polls whose client goes away. */
const FAULT_SHARE = 0.01;
const ABORT_SHARE = 0.05;
const IN_FLIGHT = 32;

const upstream = await startFakeUpstream();
const fn = await startFunction({ env: { SUPABASE_URL: upstream.url, SUPABASE_PUBLISHABLE_KEY: KEY } });

const usage = z.object({ memory: z.number() });
const memory = async () => usage.parse(await pidusage(fn.pid)).memory;

/** Open sockets of the function, where the system tells (Linux). */
async function sockets(): Promise<number | undefined> {
  try {
    const links = await Array.fromAsync(
      Deno.readDir(`/proc/${fn.pid}/fd`),
      ({ name }) => Deno.readLink(`/proc/${fn.pid}/fd/${name}`).catch(() => ""),
    );
    return links.filter((link) => link.startsWith("socket:")).length;
  } catch {
    return undefined;
  }
}

const count = { polls: 0, right: 0, failed: 0, aborted: 0, faults: 0 };
const wrong: string[] = [];

/** How one poll is answered upstream (one of a hundred requests meets each fault), and what it is due. */
function scene(): { responders: Partial<Record<Step, Responder>>; due: 200 | 500 } {
  const responders: Partial<Record<Step, Responder>> = {};
  // The fallback is asked only where the RPC says that no job is active.
  let idle = Math.random() < 0.5;
  if (idle) responders.get_active_sync_job = rows();
  const struck: Step[] = [];
  for (const step of STEPS) {
    const fault = FAULTS[Math.floor(Math.random() / FAULT_SHARE)];
    if (!fault) continue;
    responders[step] = fault.at(step);
    if (fault.expected === 500) struck.push(step);
    else if (step === "get_active_sync_job") idle = false;
    count.faults++;
  }
  const asked = STEPS.filter((step) => idle || step !== "historical_sync_jobs");
  return { responders, due: struck.some((step) => asked.includes(step)) ? 500 : 200 };
}

async function pollOnce(): Promise<void> {
  const token = await tokenOf(USER);
  const { responders, due } = scene();
  upstream.callers.set(token, responders);

  const client = new AbortController();
  const goesAway = Math.random() < ABORT_SHARE;
  const timer = goesAway ? setTimeout(() => client.abort(), Math.random() * 20) : undefined;
  try {
    const before = performance.now();
    const answer = await keepsContract(
      await fetch(fn.url, { headers: { Authorization: `Bearer ${token}` }, signal: client.signal }),
    );
    const after = performance.now() - before;
    const job = answer.status === 200 ? jobId(answer) : undefined;
    if (answer.status !== due) wrong.push(`${answer.status} instead of ${due}`);
    else if (due === 200 && job !== ACTIVE_ROW.id && job !== RECENT_ROW.id) wrong.push(`the job is ${job}`);
    else if (after > 10_000) wrong.push(`${Math.round(after)} ms`);
    else count[due === 200 ? "right" : "failed"]++;
  } catch (error) {
    if (client.signal.aborted) count.aborted++;
    else wrong.push(`no answer: ${error}`);
  } finally {
    clearTimeout(timer);
    upstream.callers.delete(token);
    count.polls++;
    // What was asked is not looked at here, and would only grow.
    upstream.requests.length = 0;
    upstream.abandoned.length = 0;
  }
}

/** Holds the load for so long, reading the memory all along; gives the median of the readings. */
async function hold(ms: number): Promise<number> {
  const end = performance.now() + ms;
  const readings: number[] = [];
  const reader = setInterval(async () => readings.push(await memory()), 250);
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (performance.now() < end) await pollOnce();
  }));
  clearInterval(reader);
  return median(readings);
}

console.log(
  `Holding ${IN_FLIGHT} polls in flight for ${seconds} s, 1 % of each of ${FAULTS.length} faults …`,
);
const third = seconds * 1000 / 3;
// The first third fills caches and heap; growth is what comes after it.
await hold(third);
const socketsBefore = await sockets();
const middle = await hold(third);
const last = await hold(third);
const socketsAfter = await sockets();

// Connections that are kept alive for the next poll stay; nothing beyond them does.
const limit = IN_FLIGHT * STEPS.length;
const written = fn.output.join("\n");
await fn.stop();
await upstream.stop();

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
console.log(
  `${
    (seconds / 60).toFixed(1)
  } minutes, ${count.polls} polls, ${count.faults} faults: ${count.right} right, ${count.failed} were 500 for a fault, ${count.aborted} clients went away, ${wrong.length} wrong
Memory ${megabytes(middle)} in the second third, ${megabytes(last)} in the last (medians); sockets ${
    socketsBefore ?? "unknown"
  }, ${socketsAfter ?? "unknown"}`,
);

const problems = [
  ...new Set(wrong),
  ...(!(last <= middle * 1.25) ? ["the memory grew by more than a quarter"] : []),
  ...((socketsAfter ?? 0) > limit ? [`${socketsAfter} sockets are open`] : []),
  ...(written.includes(KEY) || /bearer|eyJ/i.test(written) ? ["a key or token is in the log"] : []),
];
for (const problem of problems) console.error(problem);
Deno.exit(problems.length ? 1 : 0);
