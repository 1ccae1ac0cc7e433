/** The contract without a server: the timestamps that PostgreSQL writes, progress_percent, and what the published schemas refuse. */

import assert from "node:assert/strict";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { progressPercent, timestamp } from "../supabase/functions/get-sync-status/contract.ts";
import { test } from "./support/helpers.ts";
import { parseErrorBody, parseSyncStatus } from "./support/published_contract.ts";

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
  test(`timestamp reads ${written} as ${read}`, () => assert.equal(timestamp.parse(written), read));
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
  test(`timestamp refuses "${written}"`, () => assert.equal(timestamp.safeParse(written).success, false));
}

test("progressPercent is null where total_calls is null or 0", () => {
  assert.equal(progressPercent(5, null), null);
  assert.equal(progressPercent(0, 0), null);
});

test("progressPercent is Math.round((processed_calls / total_calls) * 100)", () => {
  assert.equal(progressPercent(750, 1500), 50);
  assert.equal(progressPercent(1, 8), 13);
  assert.equal(progressPercent(2147483647, 2147483647), 100);
});

const FAULTS: [string, unknown][] = [
  ["a field that nobody knows", { ...ACTIVE, agency_id: ACTIVE.job.id }],
  ["a job without total_calls", { ...ACTIVE, job: { ...ACTIVE.job, total_calls: undefined } }],
  ["an active job without its job", { active: true, recent_job: null }],
  ...Object.entries({
    agency_id: [ACTIVE.job.id],
    id: ["uuid", `urn:uuid:${ACTIVE.job.id}`, ACTIVE.job.id.replaceAll("-", "")],
    status: ["completed", null],
    date_from: [
      null,
      "2025-01-01",
      "2025-01-01T00:00:00",
      "2025-01-01T00:00:00+00:00",
      "2025-01-01 00:00:00Z",
      "2025-02-30T00:00:00Z",
      "2025-01-01T24:00:00Z",
      "2025-01-01T23:59:60Z",
      "2025-01-01T00:00:00.Z",
    ],
    total_calls: [-1, 0.5, "1500", 2 ** 53],
    processed_calls: [-1, null],
    progress_percent: [-1, 49.5],
    started_at: ["", 1735689600],
  }).flatMap(([field, values]) =>
    values.map((value): [string, unknown] => [
      `the ${field} ${JSON.stringify(value)} of an active job`,
      { ...ACTIVE, job: { ...ACTIVE.job, [field]: value } },
    ])
  ),
  ["a finished job that is in_progress", {
    ...IDLE,
    recent_job: { ...IDLE.recent_job, status: "in_progress" },
  }],
  ["a finished job with progress_percent", {
    ...IDLE,
    recent_job: { ...IDLE.recent_job, progress_percent: 1 },
  }],
];
for (const [fault, body] of FAULTS) {
  test(`parseSyncStatus refuses ${fault}`, () => {
    // Both are accepted without the fault, so the fault is what is refused.
    parseSyncStatus(ACTIVE);
    parseSyncStatus(IDLE);
    assert.throws(() => parseSyncStatus(body));
  });
}

test("parseErrorBody refuses an error without a sentence, or with an unknown code or field", () => {
  const body = { error: "Sign in.", code: "unauthorized" };
  parseErrorBody(body);
  for (const fault of [{ error: "" }, { code: "teapot" }, { detail: "none" }]) {
    assert.throws(() => parseErrorBody({ ...body, ...fault }));
  }
});
