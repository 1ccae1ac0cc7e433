import assert from "node:assert/strict";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { PATHS, rows, tokenOf, USER } from "../local/fake_upstream.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import { type Fault, FAULTS } from "./support/faults.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { loggedFor, poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

/** Polls as a caller of its own, with the fault at one step, then without it. */
async function meet(step: Step, { name, at, expected, reason, repeated }: Fault): Promise<void> {
  // The fallback query runs only if no job is active.
  const isFallback = step === "historical_sync_jobs";
  const healthy = isFallback ? { get_active_sync_job: rows() } : {};
  const right = isFallback ? IDLE : ACTIVE;
  const token = await tokenOf(USER);
  upstream.callers.set(token, { ...healthy, [step]: at(step) });
  const { status, headers, body } = await poll(fn.url, token);
  assert.equal(status, expected);

  const ofCaller = upstream.requests.filter(({ headers }) => headers.authorization?.endsWith(token));
  const asked = ofCaller.filter((request) => request.step === step).length;
  // Deno's own fetch may repeat it as well.
  assert(repeated ? asked > 1 && asked <= 3 : asked === 1, `it was asked ${asked} times`);

  if (expected === 200) assert.deepEqual(body, right);
  else {
    const line = await loggedFor(headers, fn.output);
    const { request_id: _, duration_ms, upstream_status, upstream_code, ...rest } = line;
    // No token, no key, no row, no message of an upstream.
    assert.deepEqual(rest, { level: "error", function: "get-sync-status", step, reason });
    if (reason === "the answer is an error") assert.equal(upstream_status, parseInt(name));
    assert.match(`${duration_ms} ${upstream_code}`, /^\d+ \w+$/);
  }
  upstream.callers.set(token, healthy);
  assert.deepEqual((await poll(fn.url, token)).body, right);
}

test(`GET answers right to each fault of each upstream request`, async (t) => {
  const late: Promise<boolean>[] = [];
  for (const step of Object.values(PATHS)) {
    for (const fault of FAULTS) {
      const passed = t.step({
        name: `${step}: ${fault.name} gives ${fault.expected}, and the next poll 200`,
        sanitizeExit: false,
        fn: () => meet(step, fault),
      });
      // The late ones wait together.
      if (fault.reason === "no answer in time") late.push(passed);
      else assert(await passed);
    }
  }
  assert((await Promise.all(late)).every(Boolean));
  assert(upstream.requests.every(({ step }) => step), "no redirect was followed");
});
