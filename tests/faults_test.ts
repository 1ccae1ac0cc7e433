import assert from "node:assert/strict";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { rows, tokenOf, USER } from "../local/fake_upstream.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import { type Fault, FAULTS, STEPS } from "./support/faults.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { type Answer, loggedFor, poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

/** Polls as a caller of its own, with the fault at one step, then without it. */
async function meet(step: Step, fault: Fault): Promise<void> {
  // The fallback query runs only if no job is active.
  const isFallback = step === "historical_sync_jobs";
  const healthy = isFallback ? { get_active_sync_job: rows() } : {};
  const right = isFallback ? IDLE : ACTIVE;
  const token = await tokenOf(USER);
  upstream.callers.set(token, { ...healthy, [step]: fault.at(step) });
  const answer = await poll(fn.url, token);
  assert.equal(answer.status, fault.expected);

  const ofCaller = upstream.requests.filter(({ headers }) => headers.authorization?.endsWith(token));
  const asked = ofCaller.filter((request) => request.step === step).length;
  // Deno's own fetch may repeat it as well.
  assert(fault.repeated ? asked > 1 && asked <= 3 : asked === 1, `it was asked ${asked} times`);

  if (fault.expected === 200) assert.deepEqual(answer.body, right);
  else await isLogged(answer, step, fault);
  upstream.callers.set(token, healthy);
  assert.deepEqual((await poll(fn.url, token)).body, right);
}

/** Nothing else is logged: no token, no key, no row, no message of an upstream. */
async function isLogged(answer: Answer, step: Step, { name, reason }: Fault): Promise<void> {
  const line = await loggedFor(answer.headers, fn.output);
  const { request_id: _, duration_ms, upstream_status, upstream_code, ...rest } = line;
  assert.deepEqual(rest, { level: "error", function: "get-sync-status", step, reason });
  if (reason === "the answer is an error") assert.equal(upstream_status, parseInt(name));
  assert.match(`${duration_ms} ${upstream_code}`, /^\d+ \w+$/);
}

test(`GET answers right to each fault of each upstream request`, async (t) => {
  const late: Promise<boolean>[] = [];
  for (const step of STEPS) {
    for (const fault of FAULTS) {
      const passed = t.step({
        name: `${step}: ${fault.name} gives ${fault.expected}, and the next poll 200`,
        sanitizeExit: false,
        fn: () => meet(step, fault),
      });
      // Those that end by the deadline wait together.
      if (fault.reason === "no answer in time") late.push(passed);
      else assert(await passed);
    }
  }
  assert((await Promise.all(late)).every(Boolean));
  assert(upstream.requests.every(({ step }) => step), "no redirect was followed");
});
