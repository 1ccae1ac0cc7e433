import assert from "node:assert/strict";
import { progressPercent, readTimestamp } from "../supabase/functions/get-sync-status/contract.ts";
import { test } from "./support/helpers.ts";

const TIMESTAMPS: [string, string | undefined][] = [
  ["2025-01-01 00:00:00+00", "2025-01-01T00:00:00Z"],
  ["2025-01-01 05:30:00.120000+05:30", "2025-01-01T00:00:00.12Z"],
  ["1899-12-31 18:38:50-05:21:10", "1900-01-01T00:00:00Z"],
  ["0002-01-01 00:00:00-15:59:59", "0002-01-01T15:59:59Z"],
  ["1969-12-31T23:59:59.999999+00:00", "1969-12-31T23:59:59.999999Z"],
  ["2025-01-01T00:00:00.000000+00:00", "2025-01-01T00:00:00Z"],
  ["9999-12-31T23:59:59-01:00", undefined],
  ["2025-02-30T00:00:00+00:00", undefined],
  ["2025-01-01T00:00:00+05:60", undefined],
  ["2025-01-01T00:00:00", undefined],
];
test("readTimestamp reads what PostgreSQL writes, and nothing that RFC 3339 cannot write", () => {
  for (const [written, read] of TIMESTAMPS) assert.equal(readTimestamp(written), read, written);
});

test("progressPercent rounds, and is null for no total and for 0", () => {
  assert.equal(progressPercent(5, null), null);
  assert.equal(progressPercent(0, 0), null);
  assert.equal(progressPercent(1, 8), 13);
  // The order of the spec's formula counts.
  assert.equal(progressPercent(57, 200), 28);
});
