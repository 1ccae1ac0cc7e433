/**
 * `deno task soak [seconds]`: holds load on the function while a fifth of the
 * polls meets a fault upstream and clients go away. Fails on a wrong answer and if
 * memory grows.
 */

import pidusage from "pidusage";
import { z } from "zod";
import { startFunction } from "../local/function_process.ts";
import {
  ACTIVE_ROW,
  KEY,
  RECENT_ROW,
  type Responder,
  rows,
  startFakeUpstream,
  tokenOf,
  USER,
} from "../local/fake_upstream.ts";
import { FAULTS, STEPS } from "../tests/support/faults.ts";
import { jobId, keepsContract } from "../tests/support/helpers.ts";
import { median } from "./report.ts";

const { data: seconds = 0 } = z.coerce.number().positive().safeParse(Deno.args[0] ?? 60);
if (!seconds) {
  console.error("deno task soak [seconds]: a number of seconds.");
  Deno.exit(2);
}

/** The share of the polls that meet a fault, and of those whose client goes away. */
const FAULT_SHARE = 0.2;
const ABORT_SHARE = 0.05;
const IN_FLIGHT = 32;

const upstream = await startFakeUpstream();
const fn = await startFunction({ env: { SUPABASE_URL: upstream.url, SUPABASE_PUBLISHABLE_KEY: KEY } });

/** What is read of pidusage's result: resident memory in bytes. */
const usage = z.object({ memory: z.number() });

const count = { right: 0, failed: 0, aborted: 0 };
const wrong = new Set<string>();

const random = <Item>(items: readonly Item[]) => items[Math.floor(Math.random() * items.length)];

/** How one poll is answered upstream; the status and the job that it is due. */
function scene() {
  const fault = Math.random() < FAULT_SHARE ? random(FAULTS) : undefined;
  const step = random(STEPS) ?? "users";
  // An answer that is right in spite of the fault is the active job's.
  const idle = Math.random() < 0.5 && !(step === "get_active_sync_job" && fault?.expected === 200);
  const responders: Partial<Record<typeof step, Responder>> = {
    ...(idle ? { get_active_sync_job: rows() } : {}),
    ...(fault ? { [step]: fault.at(step) } : {}),
  };
  // The fallback is asked only if the RPC says that no job is active.
  const isAsked = idle || step !== "historical_sync_jobs";
  const due = isAsked ? fault?.expected ?? 200 : 200;
  return { responders, due, job: idle ? RECENT_ROW.id : ACTIVE_ROW.id };
}

async function pollOnce(): Promise<void> {
  const token = await tokenOf(USER);
  const { responders, due, job } = scene();
  upstream.callers.set(token, responders);
  const client = new AbortController();
  const timer = Math.random() < ABORT_SHARE ? setTimeout(() => client.abort(), Math.random() * 20) : 0;
  try {
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await keepsContract(await fetch(fn.url, { headers, signal: client.signal }));
    if (answer.status !== due) wrong.add(`${answer.status} instead of ${due}`);
    else if (due === 200 && jobId(answer) !== job) wrong.add(`the job is ${jobId(answer)}`);
    else count[due === 200 ? "right" : "failed"]++;
  } catch (error) {
    if (client.signal.aborted) count.aborted++;
    else wrong.add(`no answer: ${error}`);
  } finally {
    clearTimeout(timer);
    upstream.callers.delete(token);
    // What was asked is not looked at here, and would only grow.
    upstream.requests.length = upstream.abandoned.length = 0;
  }
}

/** Holds the load for a third of the time; gives the median of the memory meanwhile, in bytes. */
async function hold(): Promise<number> {
  const end = performance.now() + seconds * 1_000 / 3;
  const readings: number[] = [];
  const reader = setInterval(async () => readings.push(usage.parse(await pidusage(fn.pid)).memory), 250);
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (performance.now() < end) await pollOnce();
  }));
  clearInterval(reader);
  return median(readings);
}

console.error(`Holding ${IN_FLIGHT} polls in flight for ${seconds} s …`);
// The first third fills caches and heap; growth is what comes after it.
await hold();
const [middle, last] = [await hold(), await hold()];
await fn.stop();
await upstream.stop();

const { right, failed, aborted } = count;
console.log(`${right} polls were right, ${failed} were 500 for a fault, ${aborted} clients went away.`);
console.log(`Memory: ${(last / middle).toFixed(2)} times that of the second third in the last.`);
if (!(last <= middle * 1.25)) wrong.add("The memory grew by more than a quarter.");
for (const problem of wrong) console.error(problem);
Deno.exit(wrong.size ? 1 : 0);
