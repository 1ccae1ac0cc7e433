import assert from "node:assert/strict";
import { PUBLISHABLE_KEY } from "../../local/stack.ts";
import { runningProject } from "../run/test_data.ts";
import { parseErrorBody, parseSyncStatus } from "./published_contract.ts";

/** Registers a test, whose name is the sentence that it proves. */
export function test(sentence: string, fn: (t: Deno.TestContext) => Promise<void> | void): void {
  // PGlite's WebAssembly sets the exit code of the process when a statement fails, in whichever file's test.
  // Ten minutes end only what hangs: a machine may be slow.
  Deno.test({ name: sentence, fn, sanitizeExit: false, timeout: 600_000 });
}

/** Says in the summary that tests were skipped, and why. */
export function reportSkipped(what: string, why: string): void {
  Deno.test.ignore(`${what}: skipped, ${why}`, () => {});
}

/** As the specification prints it. */
async function readExample(name: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(`../../examples/answers/${name}.json`, import.meta.url));
  return text.trim().replace(/"id": "[0-9a-f-]{36}"/, '"id": "uuid"');
}

export const ACTIVE_EXAMPLE = await readExample("active");
export const IDLE_EXAMPLE = await readExample("idle");

const named = Deno.env.get("TEST_PROJECT");
const KEY = named ? runningProject.parse(JSON.parse(named)).SUPABASE_PUBLISHABLE_KEY : PUBLISHABLE_KEY;

/** An answer that kept the contract. */
export type Answer = { status: number; headers: Headers; text: string; body: unknown };

const CODES: Record<number, string> = {
  401: "unauthorized",
  403: "forbidden",
  405: "method_not_allowed",
  500: "internal_error",
};

/** Polls, and asserts that the answer keeps the contract. */
export async function poll(functionUrl: string, token?: string, init: RequestInit = {}): Promise<Answer> {
  const headers = new Headers(init.headers);
  headers.set("apikey", KEY);
  if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
  return keepsContract(await fetch(functionUrl, { ...init, headers }));
}

/** Reads a response, and asserts what the contract says of each. */
export async function keepsContract(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const text = await response.text();
  assert.equal(headers.get("Access-Control-Allow-Origin"), "*");
  assert.equal(headers.get("Access-Control-Allow-Methods"), "GET, OPTIONS");
  assert.equal(headers.get("Access-Control-Expose-Headers"), "X-Request-Id, Date");
  assert.match(headers.get("Access-Control-Allow-Headers") ?? "", /\bauthorization\b/);
  assert.equal(headers.get("Cache-Control"), "no-store");
  assert.match(headers.get("X-Request-Id") ?? "", /^[0-9a-f-]{36}$/);
  if (status === 204) {
    assert.equal(text, "");
    return { status, headers, text, body: undefined };
  }
  assert.equal(headers.get("Content-Type"), "application/json");
  const body: unknown = JSON.parse(text);
  if (status === 200) parseSyncStatus(body);
  else assert.equal(parseErrorBody(body).code, CODES[status]);
  return { status, headers, text, body };
}

/** The one line that the function logs for an answer with these headers. */
export async function loggedFor(headers: Headers, output: string[]): Promise<Record<string, unknown>> {
  const id = headers.get("X-Request-Id") ?? "no id";
  await until(() => output.some((line) => line.includes(id)));
  const [line = "", ...more] = output.filter((line) => line.includes(id));
  assert.deepEqual(more, []);
  return JSON.parse(line);
}

/** Waits for a condition, a minute at most. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const limit = performance.now() + 60_000;
  while (!await condition()) {
    if (performance.now() > limit) throw new Error(`still not true after a minute: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
