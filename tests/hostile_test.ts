/** What an attacker and a broken proxy would send, generated: the contract holds for all of it. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { z } from "zod";
import { startFunction } from "../local/function_process.ts";
import { timestamp } from "../supabase/functions/get-sync-status/contract.ts";
import {
  ACTIVE_ROW,
  KEY,
  RECENT_ROW,
  rows,
  startFakeUpstream,
  TOKEN,
  USER,
} from "../testing/fake_upstream.ts";
import { keepsContract, poll, test } from "../testing/helpers.ts";

const upstream = await startFakeUpstream();
const fn = await startFunction({ env: { SUPABASE_URL: upstream.url, SUPABASE_PUBLISHABLE_KEY: KEY } });
Deno.test.afterAll(async () => {
  await fn.stop();
  await upstream.stop();
});

const seed = z.coerce.number().int().parse(Deno.env.get("FC_SEED") || Date.now() % 2 ** 31);

/** Registers a property as a test; a failure names the smallest case, and FC_SEED repeats it. */
function holds<Case>(
  sentence: string,
  numRuns: number,
  cases: fc.Arbitrary<Case>,
  check: (generated: Case) => Promise<void> | void,
): void {
  test(`${sentence} (${numRuns} generated cases, FC_SEED=${seed})`, async () => {
    upstream.reset();
    await fc.assert(fc.asyncProperty(cases, async (generated) => await check(generated)), { numRuns, seed });
  });
}

/** Whatever HTTP lets into a header's value. */
const headerValue = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).filter((c) => c !== 0x7f).map((c) => String.fromCharCode(c)),
  maxLength: 200,
});

const base64url = (text: string) =>
  btoa(String.fromCharCode(...new TextEncoder().encode(text))).replaceAll("+", "-").replaceAll("/", "_")
    .replaceAll("=", "");

/** The subject of a token, decoded another way than the function does. */
const subOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sub;

async function asks401(authorization: string): Promise<void> {
  const { status } = await keepsContract(
    await fetch(fn.url, { headers: { "Authorization": authorization } }),
  );
  assert.equal(status, 401);
  assert.deepEqual(upstream.requests, [], "nothing was asked of the upstream");
}

holds("any Authorization header that is no Bearer JWT is 401 and asks nothing", 3_000, headerValue, asks401);

holds(
  "any text as Bearer token is 401 and asks nothing",
  2_000,
  headerValue,
  (text) => asks401(`Bearer ${text}`),
);

holds(
  "a JWT with any payload whose sub is no UUID is 401 and asks nothing",
  3_000,
  fc.oneof(fc.jsonValue(), fc.record({ sub: fc.jsonValue(), role: fc.constant("authenticated") })),
  (payload) => asks401(`Bearer e30.${base64url(JSON.stringify(payload))}.c2ln`),
);

holds(
  "a token cut or changed in one character never is another user's",
  1_000,
  fc.record({
    at: fc.nat({ max: TOKEN.length - 1 }),
    put: fc.constantFrom("", "A", "-", "_", ".", " ", "=", "%"),
  }),
  async ({ at, put }) => {
    const changed = `${TOKEN.slice(0, at)}${put}${TOKEN.slice(at + 1)}`;
    const { status } = await poll(fn.url, changed);
    // The fake verifies no signature and knows one user: only a change that leaves sub alone is still that user's.
    if (status === 200) assert.equal(subOf(changed), USER);
    else assert([401, 500].includes(status));
  },
);

holds(
  "any method but GET and OPTIONS is 405",
  500,
  fc.stringMatching(/^[A-Za-z]{1,12}$/).filter((method) =>
    !/^(get|options|connect|trace|track|head)$/i.test(method)
  ),
  async (method) => assert.equal((await poll(fn.url, TOKEN, { method })).status, 405),
);

const plain = (await poll(fn.url, TOKEN)).text;

holds(
  "any path, query string and other header gets the same answer",
  1_000,
  fc.record({ path: fc.webPath(), query: fc.webQueryParameters(), header: headerValue }),
  async ({ path, query, header }) => {
    const headers = { "X-Anything": header, "Accept": header, "Cookie": header, "Prefer": header };
    assert.equal((await poll(`${fn.url}${path}?${query}`, TOKEN, { headers })).text, plain);
  },
);

/** Values of no column but, in places, that of text. */
const nonsense = fc.oneof(
  fc.constantFrom<unknown>(
    true,
    {},
    [],
    -1,
    0.5,
    1e300,
    "",
    "NaN",
    "infinity",
    "-infinity",
    "0044-03-15 00:00:00+00 BC",
    undefined,
  ),
  fc.string(),
);

const NULLABLE = ["total_calls", "started_at", "last_activity_at"];

function breaks(row: Record<string, unknown>) {
  return fc.constantFrom(...Object.keys(row)).chain((column) =>
    fc.record({
      column: fc.constant(column),
      value: NULLABLE.includes(column) ? nonsense : fc.oneof(nonsense, fc.constant(null)),
    })
  );
}

holds(
  "an active job that breaks the contract in one place is 500",
  1_000,
  breaks(ACTIVE_ROW),
  async ({ column, value }) => {
    upstream.reset({ get_active_sync_job: rows({ ...ACTIVE_ROW, [column]: value }) });
    assert.equal((await poll(fn.url, TOKEN)).status, 500);
  },
);

holds(
  "a finished job that breaks the contract in one place is 500",
  1_000,
  breaks(RECENT_ROW),
  async ({ column, value }) => {
    upstream.reset({
      get_active_sync_job: rows(),
      historical_sync_jobs: rows({ ...RECENT_ROW, [column]: value }),
    });
    assert.equal((await poll(fn.url, TOKEN)).status, 500);
  },
);

const pad = (number: number, width = 2) => String(number).padStart(width, "0");

holds(
  "a timestamp in any form PostgreSQL writes is the same instant in UTC",
  5_000,
  fc.record({
    second: fc.integer({
      min: Date.parse("0002-01-01T00:00:00Z") / 1000,
      max: Date.parse("9998-12-31T00:00:00Z") / 1000,
    }),
    micros: fc.oneof(fc.constant(0), fc.nat({ max: 999_999 })),
    offsetMinutes: fc.oneof(
      fc.integer({ min: -15, max: 15 }).map((hours) => hours * 60),
      fc.integer({ min: -959, max: 959 }),
    ),
    separator: fc.constantFrom("T", " "),
  }),
  ({ second, micros, offsetMinutes, separator }) => {
    const fraction = micros ? `.${pad(micros, 6).replace(/0+$/, "")}` : "";
    const utc = new Date(second * 1000).toISOString().slice(0, 19);
    const local = new Date((second + offsetMinutes * 60) * 1000).toISOString().slice(0, 19).replace(
      "T",
      separator,
    );
    const [hours, minutes] = [Math.floor(Math.abs(offsetMinutes) / 60), Math.abs(offsetMinutes) % 60];
    const offset = `${offsetMinutes < 0 ? "-" : "+"}${pad(hours)}${
      minutes || separator === "T" ? `:${pad(minutes)}` : ""
    }`;
    assert.equal(timestamp.parse(`${local}${fraction}${offset}`), `${utc}${fraction}Z`);
  },
);

test("after all of it the function still runs, and has written nothing but its failures", async () => {
  upstream.reset();
  assert.equal((await poll(fn.url, TOKEN)).text, plain);
  for (const line of fn.output.slice(1)) assert.equal(JSON.parse(line).level, "error", line);
});
