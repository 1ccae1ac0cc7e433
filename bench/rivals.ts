/**
 * The five functions that are measured side by side, the upstream they share,
 * and the contract that each must keep before it is timed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { type FunctionProcess, startFunction } from "../local/function_process.ts";
import { ACTIVE_ROW, KEY, RECENT_ROW } from "../tests/support/fake_upstream.ts";
import { ACTIVE_EXAMPLE, IDLE_EXAMPLE } from "../tests/support/helpers.ts";
import type { Order } from "./upstream.ts";

const rival = (name: string) => new URL(`rivals/${name}.ts`, import.meta.url);

/** What is measured, by the name it has in the tables; ours first. */
export const RIVALS = {
  "get-sync-status": new URL("../supabase/functions/get-sync-status/index.ts", import.meta.url),
  "steps in a row": rival("steps_in_a_row"),
  "@supabase/server": rival("supabase_server"),
  "one wave unchecked": rival("one_wave"),
  "bare fetch": rival("bare_fetch"),
};
export type Rival = keyof typeof RIVALS;
export const NAMES = Object.keys(RIVALS) as Rival[];

/** What is started cold: the rivals, and the imports of ours with nothing of its own. */
const STARTED = { ...RIVALS, "its imports alone": rival("imports_alone") };
export type Started = keyof typeof STARTED;
export const STARTED_NAMES = Object.keys(STARTED) as Started[];

/** The situations that a caller can be in, by the token that is sent. */
const CALLERS = ["active", "idle", "fresh", "nobody", "outage"] as const;
export type Caller = typeof CALLERS[number];

/** The upstream of all rivals, in a thread of its own. */
export interface Upstream {
  /** Its address. */
  url: string;
  /** A token for each situation a caller can be in, signed with a key of its JWKS. */
  tokens: Record<Caller, string>;
  /** Starts a function on it. */
  start(name: Started): Promise<FunctionProcess>;
  /** Moves it this many milliseconds away; gives the requests it had since it was last moved. */
  moveTo(delayMs: number): Promise<number>;
  stop(): void;
}

/** Starts the upstream. */
export async function startUpstream(): Promise<Upstream> {
  const worker = new Worker(new URL("upstream.ts", import.meta.url), { type: "module" });
  const heard = () =>
    new Promise<{ url: string; requests: number }>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  const tell = (order: Order) => {
    const answer = heard();
    worker.postMessage(order);
    return answer;
  };
  // What is told to a thread that still loads is lost.
  await heard();

  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const people = await Promise.all(CALLERS.map(async (caller, i) => {
    const id = `b0000000-0000-4000-8000-00000000000${i + 1}`;
    const token = await new SignJWT({ role: "authenticated" })
      .setProtectedHeader({ alg: "ES256", typ: "JWT", kid: "bench" })
      .setSubject(id).setIssuedAt().setExpirationTime("1h").setAudience("authenticated")
      .sign(privateKey);
    return { caller, id, token };
  }));
  const { url } = await tell({
    tokens: Object.fromEntries(people.map(({ token, caller, id }) => [token, { caller, id }])),
  });

  const env = {
    SUPABASE_URL: url,
    SUPABASE_PUBLISHABLE_KEY: KEY,
    // Read by @supabase/server alone, which asks for them at start.
    SUPABASE_SECRET_KEY: "sb_secret_fake",
    SUPABASE_JWKS: JSON.stringify({ keys: [{ ...await exportJWK(publicKey), alg: "ES256", kid: "bench" }] }),
  };
  return {
    url,
    tokens: Object.fromEntries(people.map(({ caller, token }) => [caller, token])) as Record<Caller, string>,
    // @supabase/server reads a dozen variables: the same permissions for all.
    start: (name) =>
      startFunction({
        env,
        entrypoint: STARTED[name],
        permissions: ["--allow-net=127.0.0.1", "--allow-env"],
      }),
    moveTo: async (delayMs) => (await tell({ delayMs })).requests,
    stop: () => worker.terminate(),
  };
}

/** Polls as a signed-in front end does, and reads the answer to its end. */
export async function poll(url: string, token: string): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { headers: { apikey: KEY, Authorization: `Bearer ${token}` } });
  return { status: response.status, text: await response.text() };
}

/** Asserts that a function answers as the spec says; its error bodies are its own. */
export async function keepsTheSpec(url: string, tokens: Record<Caller, string>): Promise<void> {
  const compact = (example: string, id: string) => JSON.stringify(JSON.parse(example.replace("uuid", id)));
  assert.deepEqual(await poll(url, tokens.active), {
    status: 200,
    text: compact(ACTIVE_EXAMPLE, ACTIVE_ROW.id),
  });
  assert.deepEqual(await poll(url, tokens.idle), { status: 200, text: compact(IDLE_EXAMPLE, RECENT_ROW.id) });
  assert.deepEqual(await poll(url, tokens.fresh), {
    status: 200,
    text: '{"active":false,"recent_job":null}',
  });
  assert.equal((await poll(url, tokens.nobody)).status, 403);
  assert.equal((await poll(url, tokens.outage)).status, 500);
  const [header, , signature] = tokens.idle.split(".");
  const changed = [header, tokens.active.split(".")[1], signature].join(".");
  for (const token of [changed, "nonsense"]) assert.equal((await poll(url, token)).status, 401);

  for (const [method, status] of [["GET", 401], ["POST", 405], ["DELETE", 405]] as const) {
    const headers = status === 405 ? { Authorization: `Bearer ${tokens.active}` } : undefined;
    const response = await fetch(url, { method, headers });
    await response.body?.cancel();
    assert.equal(response.status, status, method);
    assert.equal(response.headers.get("Access-Control-Allow-Origin"), "*");
  }
  const preflight = await fetch(url, { method: "OPTIONS" });
  await preflight.body?.cancel();
  assert(preflight.ok);
  assert.match(preflight.headers.get("Access-Control-Allow-Headers") ?? "", /authorization/);
}
