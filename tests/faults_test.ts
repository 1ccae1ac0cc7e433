/** Each fault of each upstream request, and each combination of outcomes of the first wave. */

import assert from "node:assert/strict";
import { startFunction } from "../local/function_process.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import {
  ACTIVE_ROW,
  authError,
  HEALTHY,
  KEY,
  postgrestError,
  RECENT_ROW,
  type Reply,
  type Responder,
  rows,
  send,
  startFakeUpstream,
  tokenOf,
  USER,
} from "./support/fake_upstream.ts";
import { FAULTS, STEPS } from "./support/faults.ts";
import { type Answer, jobId, loggedFor, poll, test } from "./support/helpers.ts";

const upstream = await startFakeUpstream();
const fn = await startFunction({ env: { SUPABASE_URL: upstream.url, SUPABASE_PUBLISHABLE_KEY: KEY } });
const tokens: string[] = [];
Deno.test.afterAll(async () => {
  await fn.stop();
  await upstream.stop();
});

/** Polls as a new caller, to whom the upstream gives these answers. */
async function pollWith(
  responders: Partial<Record<Step, Responder>>,
  again?: string,
): Promise<[Answer, string]> {
  const token = again ?? await tokenOf(USER);
  tokens.push(token);
  upstream.callers.set(token, responders);
  const before = performance.now();
  const answer = await poll(fn.url, token);
  assert(performance.now() - before < 10_000, "the answer came within 10 s");
  return [answer, token];
}

test(`GET answers right in the fault matrix of ${STEPS.length} upstream requests and ${FAULTS.length} faults`, async (t) => {
  const cells = STEPS.flatMap((step) => FAULTS.map((fault) => ({ step, fault })));
  // In parallel: each caller has its own upstream answers, so the slow faults wait together.
  const kept = await Promise.all(cells.map(({ step, fault }) => {
    // The fallback query runs only where no job is active.
    const idle = step === "historical_sync_jobs" ? { get_active_sync_job: rows() } : {};
    const id = step === "historical_sync_jobs" ? RECENT_ROW.id : ACTIVE_ROW.id;
    return t.step({
      name: `${step}: ${fault.name} gives ${fault.expected}, and the next poll without it 200`,
      sanitizeExit: false,
      async fn() {
        const [answer, token] = await pollWith({ ...idle, [step]: fault.at(step) });
        assert.equal(answer.status, fault.expected);
        if (fault.expected === 200) assert.equal(jobId(answer), id);
        else assert.equal((await loggedFor(answer.headers, fn.output)).step, fault.seenAt?.[step] ?? step);

        const [after] = await pollWith(idle, token);
        assert.equal(after.status, 200);
        assert.equal(jobId(after), id);
      },
    });
  }));
  assert(kept.every(Boolean));
});

const AUTH = {
  accepts: HEALTHY["auth.getUser"],
  refuses: authError(403, "bad_jwt"),
  fails: authError(500, "unexpected_failure"),
};
const USERS = {
  agency: HEALTHY.users,
  "no agency": rows({ agency_id: null }),
  fails: postgrestError(503, "PGRST002"),
};
const RPC = {
  "active job": HEALTHY.get_active_sync_job,
  "no job": rows(),
  fails: postgrestError(500, "XX000"),
};

/** The right answer to each of the 27 combinations, in the order of judgement: Auth, users, agency, RPC. */
function due(auth: keyof typeof AUTH, users: keyof typeof USERS, rpc: keyof typeof RPC): [number, string?] {
  if (auth === "refuses") return [401];
  if (auth === "fails") return [500, "auth.getUser"];
  if (users === "fails") return [500, "users"];
  if (users === "no agency") return [403];
  if (rpc === "fails") return [500, "get_active_sync_job"];
  return [200, rpc === "active job" ? ACTIVE_ROW.id : RECENT_ROW.id];
}

const FIRST_WAVE = ["auth.getUser", "users", "get_active_sync_job"] as const;
const ORDERS = FIRST_WAVE.flatMap((first) =>
  FIRST_WAVE.filter((second) => second !== first).map((
    second,
  ) => [first, second, ...FIRST_WAVE.filter((third) => third !== first && third !== second)])
);

/** Waits until the first wave is complete, then answers in this order, one after the other. */
function inOrder(
  order: readonly Step[],
  replies: Partial<Record<Step, Reply>>,
): Partial<Record<Step, Responder>> {
  const held = new Map<Step, () => Promise<void>>();
  const responder = (step: Step): Responder => (response, request) => {
    held.set(step, () =>
      new Promise((resolve) => {
        response.once("close", resolve);
        response.once("finish", resolve);
        if (response.destroyed) resolve();
        else send(replies[step] ?? HEALTHY[step], response, request);
      }));
    if (held.size === order.length) void release();
  };
  const release = async () => {
    for (const step of order) await held.get(step)?.();
  };
  return Object.fromEntries(order.map((step) => [step, responder(step)]));
}

for (const auth of Object.keys(AUTH) as (keyof typeof AUTH)[]) {
  for (const users of Object.keys(USERS) as (keyof typeof USERS)[]) {
    for (const rpc of Object.keys(RPC) as (keyof typeof RPC)[]) {
      const [status, detail] = due(auth, users, rpc);
      test(`GET answers ${status} when Auth ${auth}, users: ${users}, RPC: ${rpc}, in any order of arrival`, async () => {
        assert.equal(ORDERS.length, 6);
        for (const order of ORDERS) {
          const [answer] = await pollWith(
            inOrder(order, {
              "auth.getUser": AUTH[auth],
              users: USERS[users],
              get_active_sync_job: RPC[rpc],
            }),
          );
          assert.equal(answer.status, status, order.join());
          if (status === 200) assert.equal(jobId(answer), detail);
          if (status === 500) assert.equal((await loggedFor(answer.headers, fn.output)).step, detail);
        }
      });
    }
  }
}

test("no fault makes the function follow a redirect", () => {
  assert(upstream.requests.length > 500);
  assert.equal(upstream.requests.some(({ url }) => url.pathname.endsWith("/elsewhere")), false);
});

// Last: everything above has been logged by now.
test("the log holds no token and no key after all faults", () => {
  const written = fn.output.join("\n");
  assert(fn.output.length > 100, "the failures above were logged");
  assert.equal(written.includes(KEY), false);
  for (const token of tokens) {
    for (const part of token.split(".").slice(1)) assert.equal(written.includes(part), false);
  }
  assert.doesNotMatch(written, /authorization|bearer|apikey/i);
});
