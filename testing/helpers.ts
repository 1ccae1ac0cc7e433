/**
 * What several test files need: the spec's examples, and one way to poll that
 * holds every response against the contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import { errorBody, syncStatus } from "../supabase/functions/get-sync-status/contract.ts";
import { PUBLISHABLE_KEY } from "../local/stack.ts";

/** How long a test may take before it fails, in milliseconds; a machine may be slow, but nothing hangs. */
const LIMIT_MS = 60_000;

/** Registers a test, whose name is the sentence that it proves. */
export function test(
  sentence: string,
  fn: (t: Deno.TestContext) => Promise<void> | void,
  limitMs = LIMIT_MS,
): void {
  // PGlite's WebAssembly sets the exit code of the process when a statement fails, in whichever file's test.
  Deno.test({ name: sentence, fn, timeout: limitMs, sanitizeExit: false });
}

/** The example of an active job, to the byte; the id stands for any. */
export const ACTIVE_EXAMPLE = `{
  "active": true,
  "job": {
    "id": "uuid",
    "status": "in_progress",
    "date_from": "2025-01-01T00:00:00Z",
    "date_to": "2025-03-01T00:00:00Z",
    "total_calls": 1500,
    "processed_calls": 750,
    "imported_calls": 720,
    "skipped_calls": 25,
    "failed_calls": 5,
    "progress_percent": 50,
    "started_at": "2025-03-15T10:00:00Z",
    "last_activity_at": "2025-03-15T10:05:00Z"
  }
}`;

/** The example of a job that is over, to the byte; the id stands for any. */
export const IDLE_EXAMPLE = `{
  "active": false,
  "recent_job": {
    "id": "uuid",
    "status": "completed",
    "date_from": "2025-01-01T00:00:00Z",
    "date_to": "2025-03-01T00:00:00Z",
    "total_calls": 1500,
    "processed_calls": 1500,
    "imported_calls": 1450,
    "skipped_calls": 40,
    "failed_calls": 10,
    "created_at": "2025-03-14T10:00:00Z"
  }
}`;

/** An answer of the function that kept the contract. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  body: unknown;
}

const CODES: Record<number, string> = {
  401: "unauthorized",
  403: "forbidden",
  405: "method_not_allowed",
  500: "internal_error",
};

/**
 * Polls and asserts what holds for every answer: a status of the contract, its
 * body, CORS headers, no-store and a request id.
 */
export async function poll(functionUrl: string, token?: string, init: RequestInit = {}): Promise<Answer> {
  const headers = new Headers(init.headers);
  headers.set("apikey", PUBLISHABLE_KEY);
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  return keepsContract(await fetch(functionUrl, { ...init, headers }));
}

/** Asserts that a response of the function keeps the contract, and reads it. */
export async function keepsContract(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const text = await response.text();
  assert.equal(headers.get("Access-Control-Allow-Origin"), "*");
  assert.equal(headers.get("Access-Control-Allow-Methods"), "GET, OPTIONS");
  assert.equal(headers.get("Access-Control-Expose-Headers"), "X-Request-Id");
  assert.match(headers.get("Access-Control-Allow-Headers") ?? "", /\bauthorization\b/);
  assert.equal(headers.get("Cache-Control"), "no-store");
  assert.match(headers.get("X-Request-Id") ?? "", /^[0-9a-f-]{36}$/);
  if (status === 204) {
    assert.equal(text, "");
    return { status, headers, text, body: undefined };
  }
  assert.equal(headers.get("Content-Type"), "application/json");
  const body: unknown = JSON.parse(text);
  if (status === 200) syncStatus.parse(body);
  else assert.equal(errorBody.parse(body).code, CODES[status]);
  return { status, headers, text, body };
}

/** The id of the job in a 200. */
export function jobId(answer: Answer): string | undefined {
  const status = syncStatus.parse(answer.body);
  return status.active ? status.job.id : status.recent_job?.id;
}

/** Runs a task so many times, never more than `inFlight` at once; gives the results in order. */
export async function repeat<Result>(
  times: number,
  inFlight: number,
  task: (i: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < times; i = next++) results[i] = await task(i);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return results;
}

/** Polls a condition until it is true; rejects after 20 seconds, or as many milliseconds as named. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const limit = performance.now() + ms;
  while (!await condition()) {
    if (performance.now() > limit) throw new Error(`still not true after ${ms} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
