/**
 * The functions that are measured side by side, the upstream they share, and
 * the answers that each must give.
 */

import assert from "node:assert/strict";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { startFunction } from "../local/function_process.ts";
import { KEY, tokenOf, USER } from "../local/fake_upstream.ts";
import type { Claims } from "./upstream_worker.ts";

export type Situation = Claims["situation"];

/** What is measured, by the name it has in the tables. */
const RIVALS = {
  "get-sync-status": new URL("../supabase/functions/get-sync-status/index.ts", import.meta.url),
  "steps in a row": new URL("steps_in_a_row.ts", import.meta.url),
};
export type Rival = keyof typeof RIVALS;
export const NAMES = Object.keys(RIVALS) as Rival[];

/** Starts the upstream that both share, in a thread of its own. */
export async function startUpstream() {
  const worker = new Worker(new URL("upstream_worker.ts", import.meta.url), { type: "module" });
  const url = await new Promise<string>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  const env = { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEY: KEY };
  return {
    url,
    /** Starts a function on it. */
    start: (name: Rival) => startFunction({ env, entrypoint: RIVALS[name] }),
    stop: () => worker.terminate(),
  };
}
export type Upstream = Awaited<ReturnType<typeof startUpstream>>;

/** A token that the upstream answers in this way, from so many milliseconds away. */
export function tokenFor(situation: Situation, delay_ms = 0): Promise<string> {
  return tokenOf(USER, { situation, delay_ms } satisfies Claims);
}

/** Polls as a signed-in front end does, and reads the answer to its end. */
export async function poll(url: string, token: string): Promise<unknown> {
  const response = await fetch(url, { headers: { apikey: KEY, Authorization: `Bearer ${token}` } });
  const body: unknown = await response.json();
  assert.equal(response.status, 200);
  return body;
}

/** The two answers that are measured, as the specification has them. */
export const ANSWERS = { active: ACTIVE, idle: IDLE };
