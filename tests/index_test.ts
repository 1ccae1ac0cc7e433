/** index.ts: it reads the environment, or logs one sentence and does not start. */

import assert from "node:assert/strict";
import { startFunction } from "../local/function_process.ts";
import { startFakeUpstream, TOKEN } from "../local/fake_upstream.ts";
import { poll, test } from "./support/helpers.ts";

const upstream = await startFakeUpstream();
Deno.test.afterAll(() => upstream.stop());

const SUPABASE_URL = upstream.url;

type Env = Record<string, string>;

/** Values of SUPABASE_PUBLISHABLE_KEYS, SUPABASE_PUBLISHABLE_KEY and SUPABASE_ANON_KEY. */
const KEYS: [sentence: string, keys: [string, string, string], used: string][] = [
  [
    "SUPABASE_PUBLISHABLE_KEYS, entry default, before all others",
    ['{"mobile":"m","default":"dictionary"}', "single", "anon"],
    "dictionary",
  ],
  ["SUPABASE_PUBLISHABLE_KEY before the legacy key", ["", "single", "anon"], "single"],
  ["the next key if the dictionary has no default", ["{}", "single", ""], "single"],
  ["the next key if the default is blank", ['{"default":"  "}', "single", ""], "single"],
  ["the next key if the default is null", ['{"default":null}', "single", ""], "single"],
  ["the legacy SUPABASE_ANON_KEY if the others are empty", ["", "", "anon"], "anon"],
];
for (
  const [what, [SUPABASE_PUBLISHABLE_KEYS, SUPABASE_PUBLISHABLE_KEY, SUPABASE_ANON_KEY], used] of KEYS
) {
  test(`index.ts uses ${what}`, async () => {
    upstream.reset();
    const keys = { SUPABASE_PUBLISHABLE_KEYS, SUPABASE_PUBLISHABLE_KEY, SUPABASE_ANON_KEY };
    const fn = await startFunction({ env: { SUPABASE_URL, ...keys } });
    try {
      assert.equal((await poll(fn.url, TOKEN)).status, 200);
      assert.deepEqual(new Set(upstream.requests.map(({ headers }) => headers["apikey"])), new Set([used]));
    } finally {
      await fn.stop();
    }
  });
}

test("index.ts takes an https address, and blanks around a value", async () => {
  const fn = await startFunction({
    env: { SUPABASE_URL: " https://127.0.0.1:9 ", SUPABASE_ANON_KEY: "anon\n" },
  });
  try {
    assert.equal((await poll(fn.url, TOKEN)).status, 500);
  } finally {
    await fn.stop();
  }
});

const anon = { SUPABASE_ANON_KEY: "anon" };
const NO_ADDRESS = "SUPABASE_URL is not an http(s) address";
const SECRET = "a secret key is set in the place of a publishable key";
const BAD_KEY = "the publishable key has a blank, a line break or a character that is not ASCII";

const REFUSALS: [string, Env, string][] = [
  ["SUPABASE_URL is missing", anon, "SUPABASE_URL is not set"],
  ["SUPABASE_URL is empty", { SUPABASE_URL: "", ...anon }, "SUPABASE_URL is not set"],
  ["SUPABASE_URL is no address", { SUPABASE_URL: "x", ...anon }, NO_ADDRESS],
  [
    "there is no key",
    { SUPABASE_URL, SUPABASE_ANON_KEY: "" },
    "none of SUPABASE_PUBLISHABLE_KEYS (entry default), SUPABASE_PUBLISHABLE_KEY and SUPABASE_ANON_KEY is set",
  ],
  [
    "SUPABASE_PUBLISHABLE_KEYS is no dictionary, though there is another key",
    { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEYS: "sb_publishable_x", ...anon },
    "SUPABASE_PUBLISHABLE_KEYS is not a JSON dictionary of keys",
  ],
  ["SUPABASE_URL has a blank", { SUPABASE_URL: `${SUPABASE_URL}/a b`, ...anon }, NO_ADDRESS],
  ["SUPABASE_URL ends with two slashes", { SUPABASE_URL: `${SUPABASE_URL}//`, ...anon }, NO_ADDRESS],
  ["the key is a secret key", { SUPABASE_URL, SUPABASE_ANON_KEY: "sb_secret_x" }, SECRET],
  ["the key has a blank", { SUPABASE_URL, SUPABASE_ANON_KEY: "an on" }, BAD_KEY],
  ["the key has a line break", { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEYS: '{"default":"an\\non"}' }, BAD_KEY],
  ["the key is not ASCII", { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY: "anön" }, BAD_KEY],
];
for (const [condition, env, reason] of REFUSALS) {
  test(`index.ts does not start, and logs one sentence, if ${condition}`, async () => {
    await assert.rejects(startFunction({ env }), ({ message }: Error) => {
      assert.equal(message.split(`get-sync-status cannot start: ${reason}.`).length, 2, message);
      return true;
    });
  });
}
