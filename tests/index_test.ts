/** index.ts: it reads the environment, or logs one sentence and does not start. */

import assert from "node:assert/strict";
import { startFakeUpstream, TOKEN } from "../local/fake_upstream.ts";
import { startFunction } from "../local/function_process.ts";
import { poll, test } from "./support/helpers.ts";

const upstream = await startFakeUpstream();
Deno.test.afterAll(() => upstream.stop());

const SUPABASE_URL = upstream.url;
const ALL_KEYS = {
  SUPABASE_PUBLISHABLE_KEYS: '{"mobile":"m","default":"dictionary"}',
  SUPABASE_PUBLISHABLE_KEY: "single",
  SUPABASE_ANON_KEY: "anon\n",
};
const KEYS: [sentence: string, keys: Record<string, string>, used: string][] = [
  ["SUPABASE_PUBLISHABLE_KEYS, entry default, before all others", {}, "dictionary"],
  ["SUPABASE_PUBLISHABLE_KEY if that is blank", { SUPABASE_PUBLISHABLE_KEYS: '{"default":" "}' }, "single"],
  [
    "SUPABASE_ANON_KEY, without blanks around it, if the others are empty",
    { SUPABASE_PUBLISHABLE_KEYS: '{"default":null}', SUPABASE_PUBLISHABLE_KEY: "" },
    "anon",
  ],
];
for (const [what, keys, used] of KEYS) {
  test(`index.ts uses ${what}`, async () => {
    upstream.reset();
    const fn = await startFunction({ env: { SUPABASE_URL, ...ALL_KEYS, ...keys } });
    try {
      assert.equal((await poll(fn.url, TOKEN)).status, 200);
      assert.deepEqual(new Set(upstream.requests.map(({ headers }) => headers["apikey"])), new Set([used]));
    } finally {
      await fn.stop();
    }
  });
}

const anon = { SUPABASE_ANON_KEY: "anon" };
const NO_ADDRESS = "SUPABASE_URL is not an http(s) address";
const SECRET = "a secret key is set in the place of a publishable key";
const BAD_KEY = "the publishable key has a blank, a line break or a character that is not ASCII";

const REFUSALS: [string, Record<string, string>, string][] = [
  ["SUPABASE_URL is empty", { SUPABASE_URL: "", ...anon }, "SUPABASE_URL is not set"],
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
  ["SUPABASE_URL ends with two slashes", { SUPABASE_URL: `${SUPABASE_URL}//`, ...anon }, NO_ADDRESS],
  ["the key is a secret key", { SUPABASE_URL, SUPABASE_ANON_KEY: "sb_secret_x" }, SECRET],
  ["the key has a line break", { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEYS: '{"default":"an\\non"}' }, BAD_KEY],
];
for (const [condition, env, reason] of REFUSALS) {
  test(`index.ts does not start, and logs one sentence, if ${condition}`, async () => {
    await assert.rejects(startFunction({ env }), ({ message }: Error) => {
      assert.equal(message.split(`get-sync-status cannot start: ${reason}.`).length, 2, message);
      return true;
    });
  });
}
