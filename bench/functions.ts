import assert from "node:assert/strict";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { KEY, tokenOf, USER } from "../local/fake_upstream.ts";
import { type FunctionProcess, startFunction } from "../local/function_process.ts";
import type { Claims } from "./upstream_worker.ts";

const GET_SYNC_STATUS = new URL("../supabase/functions/get-sync-status/index.ts", import.meta.url);
const STEPS_IN_A_ROW = new URL("steps_in_a_row.ts", import.meta.url);

/** Functions, with the milliseconds of a round trip to each and from there to Auth and the database. */
export const COLUMNS = [
  { name: "near the user", entrypoint: GET_SYNC_STATUS, callerMs: 5, upstreamMs: 50 },
  { name: "steps in a row", entrypoint: STEPS_IN_A_ROW, callerMs: 5, upstreamMs: 50 },
  { name: "beside the database", entrypoint: GET_SYNC_STATUS, callerMs: 50, upstreamMs: 5 },
];
export type Column = (typeof COLUMNS)[number];

/** Starts Auth and PostgREST in a thread; gives their address. */
export function startUpstream(): Promise<string> {
  const worker = new Worker(new URL("upstream_worker.ts", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
}

/** Measures a function in a process of its own: from one to the next the same code differs by a tenth. */
export async function inProcess<Result>(
  upstreamUrl: string,
  entrypoint: URL,
  measure: (started: FunctionProcess) => Promise<Result>,
): Promise<Result> {
  const env = { SUPABASE_URL: upstreamUrl, SUPABASE_PUBLISHABLE_KEY: KEY };
  const started = await startFunction({ env, entrypoint });
  return await measure(started).finally(started.stop);
}

/** Gives what polls once as a signed-in front end does, and holds the answer against the example. */
export async function poller(situation: Claims["situation"], callerMs = 0, upstreamMs = 0) {
  const token = await tokenOf(USER, { situation, delay_ms: upstreamMs } satisfies Claims);
  const headers = { apikey: KEY, Authorization: `Bearer ${token}` };
  const example = situation === "active" ? ACTIVE : IDLE;
  return async (url: string) => {
    if (callerMs > 0) await new Promise((resolve) => setTimeout(resolve, callerMs));
    const response = await fetch(url, { headers });
    assert.deepEqual(await response.json(), example);
  };
}
