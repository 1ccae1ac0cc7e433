/** contract.ts: the rows that PostgreSQL and PostgREST write, and what openapi.json refuses. */

import assert from "node:assert/strict";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import {
  activeJobRows,
  progressPercent,
  readTimestamp,
  recentJobRows,
} from "../supabase/functions/get-sync-status/contract.ts";
import { ACTIVE_ROW, AGENCY, RECENT_ROW } from "../local/fake_upstream.ts";
import { test } from "./support/helpers.ts";
import { parseErrorBody, parseSyncStatus } from "./support/published_contract.ts";

const TIMESTAMPS: [string, string | undefined][] = [
  ["2025-01-01T00:00:00+00:00", "2025-01-01T00:00:00Z"],
  ["2025-01-01 00:00:00+00", "2025-01-01T00:00:00Z"],
  ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"],
  ["1900-01-01T05:21:10+05:21:10", "1900-01-01T00:00:00Z"],
  ["2025-01-01T00:00:00.000000+00:00", "2025-01-01T00:00:00Z"],
  ["1969-12-31T23:59:59.999999+00:00", "1969-12-31T23:59:59.999999Z"],
  ["9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59Z"],
  ["2024-02-29T00:00:00+00:00", "2024-02-29T00:00:00Z"],
  ["infinity", undefined],
  ["0044-03-15 00:00:00+00 BC", undefined],
  ["10000-01-01T00:59:59+01:00", undefined],
  ["9999-12-31T23:59:59-01:00", undefined],
  ["0000-01-01T00:00:00+01:00", undefined],
  ["2025-02-30T00:00:00+00:00", undefined],
  ["2025-01-01T24:00:00+00:00", undefined],
  ["2025-01-01T00:00:00+05:60", undefined],
  ["2025-01-01", undefined],
  ["2025-01-01T00:00:00", undefined],
  ["", undefined],
];
for (const [written, read] of TIMESTAMPS) {
  test(`readTimestamp reads "${written}" as ${read}`, () => assert.equal(readTimestamp(written), read));
}

test("activeJobRows reads PostgREST's row as the spec's first example, without a column more", () => {
  const read = activeJobRows.parse([{ api_secret: "s3cret", ...ACTIVE_ROW }]);
  assert.equal(JSON.stringify(read), JSON.stringify([{ agency_id: AGENCY, ...ACTIVE.job }]));
});

test("recentJobRows reads PostgREST's row as the spec's second example, without a column more", () => {
  const read = recentJobRows.parse([{ api_secret: "s3cret", ...RECENT_ROW }]);
  assert.equal(JSON.stringify(read), JSON.stringify([{ agency_id: AGENCY, ...IDLE.recent_job }]));
});

test("progressPercent is Math.round((processed_calls / total_calls) * 100), null for no total and for 0", () => {
  assert.equal(progressPercent(5, null), null);
  assert.equal(progressPercent(0, 0), null);
  assert.equal(progressPercent(1, 8), 13);
  // The order of the spec's formula counts, and nothing is cut at 100.
  assert.equal(progressPercent(57, 200), 28);
  assert.equal(progressPercent(5, 4), 125);
  assert.equal(progressPercent(2147483647, 2147483647), 100);
});

test("openapi.json refuses a field more, a field less, and a value of another form", () => {
  parseSyncStatus(ACTIVE);
  const changes = [
    { agency_id: ACTIVE.job.id },
    { total_calls: undefined },
    { id: `urn:uuid:${ACTIVE.job.id}` },
    { status: "completed" },
    { date_from: "2025-01-01T00:00:00+00:00" },
    { date_to: "2025-02-30T00:00:00Z" },
    { processed_calls: -1 },
    { progress_percent: 49.5 },
  ];
  for (const change of changes) {
    assert.throws(
      () => parseSyncStatus({ ...ACTIVE, job: { ...ACTIVE.job, ...change } }),
      JSON.stringify(change),
    );
  }
  assert.throws(() => parseSyncStatus({ active: true, recent_job: null }));
  assert.throws(() => parseErrorBody({ error: "", code: "unauthorized" }));
  assert.throws(() => parseErrorBody({ error: "Sign in.", code: "teapot" }));
});
