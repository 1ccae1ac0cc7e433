/** The contract by itself: timestamps and progress in the forms PostgreSQL can write. */

import assert from "node:assert/strict";
import { progressPercent, timestamp } from "../supabase/functions/get-sync-status/contract.ts";
import { test } from "../testing/helpers.ts";

const READS: [string, string][] = [
  ["2025-01-01T00:00:00+00:00", "2025-01-01T00:00:00Z"],
  ["2025-01-01 00:00:00+00", "2025-01-01T00:00:00Z"],
  ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"],
  ["2025-01-01T05:30:00+05:30", "2025-01-01T00:00:00Z"],
  ["2024-12-31 16:00:00-08", "2025-01-01T00:00:00Z"],
  ["2025-01-01T00:00:00.5+00:00", "2025-01-01T00:00:00.5Z"],
  ["2025-01-01T00:00:00.123456+00:00", "2025-01-01T00:00:00.123456Z"],
  ["2025-01-01T00:00:00.100000+00:00", "2025-01-01T00:00:00.1Z"],
  ["2025-01-01T00:00:00.000000+00:00", "2025-01-01T00:00:00Z"],
  ["1969-12-31T23:59:59.999999+00:00", "1969-12-31T23:59:59.999999Z"],
  ["0099-12-31T00:00:00+00:00", "0099-12-31T00:00:00Z"],
  ["9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59Z"],
  ["2024-02-29T00:00:00+00:00", "2024-02-29T00:00:00Z"],
];
for (const [written, read] of READS) {
  test(`the timestamp ${written} goes out as ${read}`, () => assert.equal(timestamp.parse(written), read));
}

const REFUSES = [
  "infinity",
  "-infinity",
  "0044-03-15 00:00:00+00 BC",
  "10000-01-01T00:00:00+00:00",
  "9999-12-31T23:59:59-01:00",
  "2025-02-30T00:00:00+00:00",
  "2025-01-01",
  "2025-01-01T00:00:00",
  "2025-01-01T24:00:01+00:00",
  "1735689600",
  "",
];
for (const written of REFUSES) {
  test(`"${written}" is no timestamp of the contract`, () =>
    assert.equal(timestamp.safeParse(written).success, false));
}

test("progress_percent is null where total_calls is null or 0", () => {
  assert.equal(progressPercent(5, null), null);
  assert.equal(progressPercent(0, 0), null);
});

test("progress_percent is Math.round((processed_calls / total_calls) * 100)", () => {
  assert.equal(progressPercent(750, 1500), 50);
  assert.equal(progressPercent(1, 8), 13);
  assert.equal(progressPercent(2147483647, 2147483647), 100);
});
