/** Generated requests of an attacker and generated answers of a broken upstream: the contract holds for each. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { z } from "zod";
import { ACTIVE_ROW, RECENT_ROW, rows, TOKEN } from "../local/fake_upstream.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

const seed = z.coerce.number().int().parse(Deno.env.get("FC_SEED") || Date.now() % 2 ** 31);

/** Registers a property as a test. A failure names the smallest case. FC_SEED repeats the run. */
function holds<Case>(
  sentence: string,
  cases: fc.Arbitrary<Case>,
  check: (generated: Case) => Promise<void>,
): void {
  const numRuns = 300;
  test(`${sentence} (${numRuns} generated cases, FC_SEED=${seed})`, async () => {
    upstream.reset();
    await fc.assert(fc.asyncProperty(cases, check), { numRuns, seed });
  });
}

/** Any text that HTTP allows as the value of a header. */
const headerValue = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).filter((c) => c !== 0x7f).map((c) => String.fromCharCode(c)),
  maxLength: 200,
});

const payload = fc.oneof(fc.jsonValue(), fc.record({ sub: fc.jsonValue() }));

holds(
  "GET answers 401 to any Authorization header that holds no JWT with a UUID as sub, and sends nothing",
  fc.oneof(
    headerValue,
    headerValue.map((text) => `Bearer ${text}`),
    payload.map((json) => `Bearer e30.${Buffer.from(JSON.stringify(json)).toString("base64url")}.c2ln`),
  ),
  async (authorization) => {
    assert.equal((await poll(fn.url, undefined, { headers: { authorization } })).status, 401);
    assert.deepEqual(upstream.requests, []);
  },
);

/** Values that fit no column of a job; null fits some. */
const BROKEN = [true, {}, [], -1, 0.5, 1e300, "", "infinity", "0044-03-15 00:00:00+00 BC", undefined];
const nonsense = fc.oneof(fc.constantFrom<unknown>(...BROKEN), fc.string());

/** A row of which one field does not fit. */
const breakOne = (row: Record<string, unknown>) =>
  fc.record({ column: fc.constantFrom(...Object.keys(row)), value: nonsense })
    .map(({ column, value }) => rows({ ...row, [column]: value }));

holds(
  "GET answers 500 if one field of a job breaks the contract",
  fc.oneof(
    breakOne(ACTIVE_ROW).map((get_active_sync_job) => ({ get_active_sync_job })),
    breakOne(RECENT_ROW).map((historical_sync_jobs) => ({
      get_active_sync_job: rows(),
      historical_sync_jobs,
    })),
  ),
  async (changes) => {
    upstream.reset(changes);
    assert.equal((await poll(fn.url, TOKEN)).status, 500);
  },
);
