import assert from "node:assert/strict";
import { startFakeUpstream, TOKEN } from "../local/fake_upstream.ts";
import { startFunction } from "../local/function_process.ts";
import { poll, test } from "./support/helpers.ts";

const upstream = await startFakeUpstream();
Deno.test.afterAll(() => upstream.stop());

const SUPABASE_URL = upstream.url;
const ALL = {
  SUPABASE_URL,
  SUPABASE_PUBLISHABLE_KEYS: '{"mobile":"m","default":"dictionary"}',
  SUPABASE_PUBLISHABLE_KEY: "single",
  SUPABASE_ANON_KEY: "anon\n",
};
const BLANK = { SUPABASE_PUBLISHABLE_KEYS: '{"default":" "}' };
const NONE = { SUPABASE_PUBLISHABLE_KEYS: '{"default":null}', SUPABASE_PUBLISHABLE_KEY: "" };
const KEYS: [sentence: string, keys: Record<string, string>, used: string][] = [
  ["SUPABASE_PUBLISHABLE_KEYS, entry default, before all others", {}, "dictionary"],
  ["SUPABASE_PUBLISHABLE_KEY if that is blank", BLANK, "single"],
  ["SUPABASE_ANON_KEY, without blanks around it, if the others are empty", NONE, "anon"],
];
for (const [what, keys, used] of KEYS) {
  test(`index.ts uses ${what}`, async () => {
    upstream.reset();
    const fn = await startFunction({ env: { ...ALL, ...keys } });
    try {
      assert.equal((await poll(fn.url, TOKEN)).status, 200);
      assert(upstream.requests.every(({ headers }) => headers.apikey === used));
    } finally {
      await fn.stop();
    }
  });
}

const REFUSALS: [env: Record<string, string>, due: string][] = [
  [{ SUPABASE_URL: "" }, "SUPABASE_URL is not set"],
  [{ SUPABASE_URL: `${SUPABASE_URL}//` }, "SUPABASE_URL is not an http(s) address"],
  [
    { SUPABASE_ANON_KEY: "" },
    "none of SUPABASE_PUBLISHABLE_KEYS (entry default), SUPABASE_PUBLISHABLE_KEY and SUPABASE_ANON_KEY is set",
  ],
  [{ SUPABASE_PUBLISHABLE_KEYS: "x" }, "SUPABASE_PUBLISHABLE_KEYS is not a JSON dictionary of keys"],
  [{ SUPABASE_ANON_KEY: "sb_secret_x" }, "a secret key is set in the place of a publishable key"],
  [
    { SUPABASE_ANON_KEY: "an\non" },
    "the publishable key has a blank, a line break or a character that is not ASCII",
  ],
];
for (const [changes, due] of REFUSALS) {
  test(`index.ts does not start if ${due}, and says so once`, async () => {
    const env = { SUPABASE_URL, SUPABASE_ANON_KEY: "anon", ...changes };
    const sentence = `get-sync-status cannot start: ${due}.`;
    const saysItOnce = ({ message }: Error) => message.split(sentence).length === 2;
    await assert.rejects(startFunction({ env }), saysItOnce);
  });
}
