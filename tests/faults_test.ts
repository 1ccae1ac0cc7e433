/** Each fault of each upstream request. */

import assert from "node:assert/strict";
import { ACTIVE_ROW, RECENT_ROW, rows, tokenOf, USER } from "../local/fake_upstream.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import { type Fault, FAULTS, STEPS } from "./support/faults.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { jobId, loggedFor, poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

/** Polls as a caller of its own, whose request of one step meets the fault. */
async function meet(step: Step, fault: Fault): Promise<void> {
  // The fallback query runs only if no job is active.
  const [healthy, id] = step === "historical_sync_jobs"
    ? [{ get_active_sync_job: rows() }, RECENT_ROW.id]
    : [{}, ACTIVE_ROW.id];
  const token = await tokenOf(USER);
  upstream.callers.set(token, { ...healthy, [step]: fault.at(step) });
  const answer = await poll(fn.url, token);
  assert.equal(answer.status, fault.expected);

  const asked =
    upstream.requests.filter((request) =>
      request.step === step && request.headers.authorization === `Bearer ${token}`
    ).length;
  // Deno's own fetch may repeat it as well.
  assert(fault.repeated ? asked > 1 && asked <= 3 : asked === 1, `it was asked ${asked} times`);

  if (fault.expected === 200) {
    assert.equal(jobId(answer), id);
  } else {
    const line = await loggedFor(answer.headers, fn.output);
    const { request_id: _, duration_ms, upstream_status, upstream_code, ...rest } = line;
    // And nothing else: no token, no key, no row, no message of an upstream.
    const { reason } = fault;
    assert.deepEqual(rest, { level: "error", function: "get-sync-status", step, reason });
    const status = reason === "the answer is an error" ? parseInt(fault.name) || 302 : upstream_status;
    assert.equal(upstream_status, status);
    assert.match(`${duration_ms} ${upstream_code}`, /^\d+ \w+$/);
  }
  upstream.callers.set(token, healthy);
  assert.equal(jobId(await poll(fn.url, token)), id);
}

test(`GET answers right in the fault matrix of ${STEPS.length} upstream requests and ${FAULTS.length} faults`, async (t) => {
  const check = (step: Step, fault: Fault) =>
    t.step({
      name: `${step}: ${fault.name} gives ${fault.expected}, and the next poll without it 200`,
      sanitizeExit: false,
      fn: () => meet(step, fault),
    });
  const cells = STEPS.flatMap((step) => FAULTS.map((fault) => ({ step, fault })));
  // Those that end by the deadline wait together, the others come one after the other.
  const isLate = ({ fault }: typeof cells[0]) => fault.reason === "no answer in time";
  const waiting = cells.filter(isLate).map(({ step, fault }) => check(step, fault));
  for (const { step, fault } of cells) {
    if (!isLate({ step, fault })) assert(await check(step, fault));
  }
  assert((await Promise.all(waiting)).every(Boolean));
  assert.equal(upstream.requests.some(({ step }) => step === undefined), false, "no redirect was followed");
});
