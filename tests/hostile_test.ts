/** Generated requests of an attacker and generated answers of a broken upstream: the contract holds for each. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { z } from "zod";
import { readTimestamp } from "../supabase/functions/get-sync-status/contract.ts";
import { ACTIVE_ROW, RECENT_ROW, rows, TOKEN } from "../local/fake_upstream.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

const seed = z.coerce.number().int().parse(Deno.env.get("FC_SEED") || Date.now() % 2 ** 31);

/** Registers a property as a test. A failure names the smallest case. FC_SEED repeats the run. */
function holds<Case>(
  sentence: string,
  cases: fc.Arbitrary<Case>,
  check: (generated: Case) => Promise<void> | void,
): void {
  const numRuns = 300;
  test(`${sentence} (${numRuns} generated cases, FC_SEED=${seed})`, async () => {
    upstream.reset();
    await fc.assert(fc.asyncProperty(cases, async (generated) => await check(generated)), { numRuns, seed });
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

holds(
  "readTimestamp reads any form that PostgreSQL writes as the same instant in UTC",
  fc.record({
    // From 0002 to 9998.
    second: fc.integer({ min: -62_104_060_800, max: 253_370_764_799 }),
    micros: fc.oneof(fc.constant(0), fc.nat({ max: 999_999 })),
    // Below 16 hours: whole hours, whole minutes and seconds alike.
    offset: fc.oneof(
      ...[3600, 60, 1].map((unit) =>
        fc.integer({ min: Math.ceil(-57_599 / unit), max: Math.floor(57_599 / unit) }).map((n) => n * unit)
      ),
    ),
    separator: fc.constantFrom("T", " "),
  }),
  ({ second, micros, offset, separator }) => {
    const write = (second: number) => new Date(second * 1000).toISOString().slice(0, 19);
    const fraction = micros ? `.${String(micros).padStart(6, "0").replace(/0+$/, "")}` : "";
    // As PostgreSQL and PostgREST do: no more of the offset than it has, minutes always after a T.
    const length = offset % 60 ? 8 : offset % 3600 || separator === "T" ? 5 : 2;
    const zone = `${offset < 0 ? "-" : "+"}${write(Math.abs(offset)).slice(11, 11 + length)}`;
    const local = write(second + offset).replace("T", separator);
    assert.equal(readTimestamp(`${local}${fraction}${zone}`), `${write(second)}${fraction}Z`);
  },
);
