/** watchSyncStatus and outlookOf, path by path, on fake timers. */

import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import {
  outlookOf,
  type SyncStatusProblem,
  type SyncStatusWatch,
  watchSyncStatus,
} from "../examples/client/watch_sync_status.ts";
import example from "../examples/answers/active.json" with { type: "json" };
import type { ActiveJob, ErrorCode, SyncStatus } from "../supabase/functions/get-sync-status/types.ts";
import { test } from "./support/helpers.ts";

const START = Date.parse("2025-03-15T10:00:00Z");

const { job } = example as { job: ActiveJob };
const ACTIVE: SyncStatus = { active: true, job };
const IDLE: SyncStatus = { active: false, recent_job: null };

const ok = (status: SyncStatus) => () => Response.json(status);
const error = (status: number, code?: ErrorCode) => () => Response.json({ error: "…", code }, { status });
const UNAUTHORIZED = error(401, "unauthorized");
const FORBIDDEN = error(403, "forbidden");
const FAILED = error(500, "internal_error");

/** What the client reads of a browser tab: whether it is visible. */
class Tab extends EventTarget {
  visibilityState = "visible";
  show(visible: boolean) {
    this.visibilityState = visible ? "visible" : "hidden";
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

interface Watch {
  /** Lets fake time pass, in milliseconds. */
  pass(ms: number): Promise<void>;
  /** When each poll left, in milliseconds since the start. */
  polls: number[];
  /** The Authorization header of each poll. */
  tokens: (string | null)[];
  statuses: SyncStatus[];
  problems: SyncStatusProblem[];
  refreshes: number;
  mostInFlight: number;
  ended: boolean;
  tab: Tab;
  /** How many timers are set. */
  timers(): number;
  /** How many listeners the tab and the signal have. */
  listeners(): number;
  /** What `reportError` was called with. */
  reported: unknown[];
  /** What the front end does in `onStatus` and in `onError`. */
  whenTold?(): void;
  whenFailed?(): void;
  abort(): void;
  pollNow: SyncStatusWatch["pollNow"];
  /** What `Math.random` gives from now on. */
  chance: number;
}

/** Counts the listeners of a target from now on. */
function countListeners(target: EventTarget): () => number {
  const listeners = new Set<unknown>();
  const { addEventListener, removeEventListener } = target;
  target.addEventListener = (type: string, listener: EventListener) => {
    listeners.add(listener);
    addEventListener.call(target, type, listener);
  };
  target.removeEventListener = (type: string, listener: EventListener) => {
    listeners.delete(listener);
    removeEventListener.call(target, type, listener);
  };
  return () => listeners.size;
}

/** Runs a test on fake time. The service gives its answers in turn, and repeats the last one. */
function watching(
  sentence: string,
  answers: ((signal: AbortSignal) => Response | Promise<Response>)[],
  check: (watch: Watch) => Promise<void>,
  tokenOf: (refresh: boolean) => string | null | Promise<string | null> = (refresh) =>
    refresh ? "fresh token" : "token",
): void {
  test(`watchSyncStatus ${sentence}`, async () => {
    const clock = FakeTimers.install({
      now: START,
      toFake: ["setTimeout", "clearTimeout", "Date", "performance"],
    });
    const { fetch, document, reportError } = globalThis;
    const { random } = Math;
    const { any, timeout } = AbortSignal;
    const controller = new AbortController();
    const tab = new Tab();
    const counts = [countListeners(tab), countListeners(controller.signal)];
    let inFlight = 0;
    const watch: Watch = {
      pass: (ms) => clock.tickAsync(ms).then(() => {}),
      polls: [],
      tokens: [],
      statuses: [],
      problems: [],
      refreshes: 0,
      mostInFlight: 0,
      ended: false,
      tab,
      listeners: () => counts.reduce((sum, count) => sum + count(), 0),
      reported: [],
      timers: () => clock.countTimers(),
      abort: () => controller.abort(),
      pollNow: () => started.pollNow(),
      chance: 0.5,
    };
    Math.random = () => watch.chance;
    // Some browsers in use lack these.
    Object.assign(AbortSignal, { any: undefined, timeout: undefined });
    Object.assign(globalThis, {
      document: tab,
      reportError: (error: unknown) => watch.reported.push(error),
      async fetch(_url: string, init: { headers: Record<string, string>; signal: AbortSignal }) {
        watch.polls.push(Date.now() - START);
        watch.tokens.push(init.headers.Authorization ?? null);
        watch.mostInFlight = Math.max(watch.mostInFlight, ++inFlight);
        try {
          return await answers[Math.min(watch.polls.length, answers.length) - 1]?.(init.signal);
        } finally {
          inFlight--;
        }
      },
    });
    const started = watchSyncStatus({
      url: "https://project.test/functions/v1/get-sync-status",
      getAccessToken: ({ refresh }) =>
        new Promise((resolve) => {
          if (refresh) watch.refreshes++;
          resolve(tokenOf(refresh));
        }),
      signal: controller.signal,
      onStatus(status) {
        watch.statuses.push(status);
        watch.whenTold?.();
      },
      onError(problem) {
        watch.problems.push(problem);
        watch.whenFailed?.();
      },
    });
    const over = started.ended.then(() => watch.ended = true);
    try {
      await watch.pass(0);
      await check(watch);
    } finally {
      controller.abort();
      await clock.tickAsync(0);
      await over;
      clock.uninstall();
      Math.random = random;
      Object.assign(globalThis, { fetch, document, reportError });
      Object.assign(AbortSignal, { any, timeout });
    }
  });
}

watching("polls every 2 s while a job is active", [ok(ACTIVE)], async (watch) => {
  await watch.pass(6_000);
  assert.deepEqual(watch.polls, [0, 2_000, 4_000, 6_000]);
  assert.deepEqual(watch.statuses[0], ACTIVE);
  assert.equal(watch.tokens[0], "Bearer token");
});

watching(
  "polls every 6 s for a job of ten minutes, and every 15 s for a job of a day",
  [
    ok({ active: true, job: { ...job, started_at: "2025-03-15T09:50:00Z" } }),
    ok({
      active: true,
      job: { ...job, started_at: "2025-03-14T10:00:00Z" },
    }),
  ],
  async (watch) => {
    await watch.pass(21_000);
    assert.deepEqual(watch.polls, [0, 6_000, 21_000]);
  },
);

watching("polls every 30 s while no job is active", [ok(IDLE)], async (watch) => {
  await watch.pass(60_000);
  assert.deepEqual(watch.polls, [0, 30_000, 60_000]);
});

watching(
  "does not poll in a hidden tab, and polls at once when the tab is shown",
  [ok(ACTIVE)],
  async (watch) => {
    await watch.pass(1_000);
    watch.tab.show(false);
    await watch.pass(600_000);
    assert.deepEqual(watch.polls, [0]);
    watch.tab.show(true);
    await watch.pass(0);
    assert.deepEqual(watch.polls, [0, 601_000]);
  },
);

watching("polls at once when the tab is shown again while no job is active", [ok(IDLE)], async (watch) => {
  watch.tab.show(false);
  await watch.pass(5_000);
  watch.tab.show(true);
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 5_000]);
});

for (
  const [what, fails] of [
    ["a 500", FAILED],
    ["a network error", () => Promise.reject(new TypeError("network"))],
    ["an answer that is not JSON", () => new Response("<html>", { status: 200 })],
    ["a 404 of a function that is not deployed", error(404)],
    ["a 401 of a gateway", error(401)],
    ["a 403 of a firewall", () => new Response("<html>", { status: 403 })],
    ["a JSON null", () => Response.json(null)],
    ["a captive portal's JSON", () => Response.json({ active: false })],
    ["an active status without a job", () => Response.json({ active: true, job: null })],
    [
      "an unauthorized that is no 401",
      () => Response.json({ error: "…", code: "unauthorized" }, { status: 511 }),
    ],
    ["a firewall's forbidden", () => Response.json({ code: "forbidden" }, { status: 403 })],
    ["a status in a 502", () => Response.json(ACTIVE, { status: 502 })],
  ] as const
) {
  watching(
    `reports unreachable for ${what}, retries with growing delays, and keeps the last status`,
    [ok(ACTIVE), fails, fails, fails, ok(IDLE)],
    async (watch) => {
      await watch.pass(2_000);
      const waits: number[] = [];
      for (let failures = 0; failures < 3; failures++) {
        const problem = watch.problems[failures];
        assert(problem?.kind === "unreachable");
        assert.equal(watch.statuses.length, 1, "nothing was said of the status");
        waits.push(problem.retryInMs);
        await watch.pass(problem.retryInMs);
      }
      assert.deepEqual(waits, [6_000, 24_000, 45_000]);
      assert.deepEqual(watch.statuses.at(-1), IDLE);
      assert.equal(watch.ended, false);
    },
  );
}

const retries = ({ problems }: Watch) =>
  problems.map((problem) => problem.kind === "unreachable" ? problem.retryInMs : NaN);

watching("shortens a delay after a failure by a random part of up to a half", [FAILED], async (watch) => {
  for (const chance of [0, 0.999]) {
    watch.chance = chance;
    await watch.pass(600_000);
  }
  assert.equal(Math.max(...retries(watch)), 60_000);
  assert.equal(Math.round(Math.min(...retries(watch).slice(-3)) / 100), 300);
});

watching(
  "waits longer than usual after a first failure, also while no job is active",
  [ok(IDLE), FAILED, FAILED],
  async (watch) => {
    watch.chance = 0.999;
    await watch.pass(120_000);
    assert(retries(watch).length >= 2);
    for (const wait of retries(watch)) assert(wait > 30_000, `${wait}`);
  },
);

watching(
  "resets its delays after a success",
  [FAILED, FAILED, FAILED, ok(ACTIVE), FAILED],
  async (watch) => {
    await watch.pass(78_000);
    assert.deepEqual(retries(watch), [6_000, 24_000, 45_000, 6_000]);
  },
);

watching("makes each ordinary delay longer or shorter by up to a random fifth", [ok(IDLE)], async (watch) => {
  await watch.pass(0);
  watch.chance = 0;
  await watch.pass(30_000);
  watch.chance = 1;
  await watch.pass(24_000 + 36_000);
  assert.deepEqual(watch.polls, [0, 30_000, 54_000, 90_000]);
});

watching("polls at once on pollNow", [ok(IDLE)], async (watch) => {
  await watch.pass(5_000);
  watch.pollNow();
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 5_000]);
  await watch.pass(30_000);
  assert.deepEqual(watch.polls, [0, 5_000, 35_000], "and then goes on as before");
});

watching("polls at once on pollNow after a failure", [FAILED], async (watch) => {
  await watch.pass(3_000);
  watch.pollNow();
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 3_000]);
});

watching(
  "polls once for several calls of pollNow, at the earliest 2 s after the last poll",
  [ok(IDLE)],
  async (watch) => {
    for (let i = 0; i < 100; i++) {
      watch.pollNow();
      await watch.pass(100);
    }
    assert.deepEqual(watch.polls, [0, 2_000, 4_000, 6_000, 8_000, 10_000]);
  },
);

watching(
  "polls once more after a poll during which pollNow was called, and never two at a time",
  [
    () => new Promise((resolve) => setTimeout(() => resolve(Response.json(IDLE)), 9_000)),
    ok(ACTIVE),
    ok(IDLE),
  ],
  async (watch) => {
    await watch.pass(1_000);
    watch.pollNow();
    watch.pollNow();
    await watch.pass(20_000);
    assert.deepEqual(watch.polls, [0, 9_000, 11_000]);
    assert.equal(watch.mostInFlight, 1);
  },
);

watching("polls when the tab is shown after pollNow in a hidden tab", [ok(IDLE)], async (watch) => {
  watch.tab.show(false);
  await watch.pass(5_000);
  watch.pollNow();
  await watch.pass(5_000);
  assert.deepEqual(watch.polls, [0]);
  watch.tab.show(true);
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 10_000]);
});

watching("ignores pollNow after the end", [FORBIDDEN], async (watch) => {
  await watch.pass(1_000);
  watch.pollNow();
  await watch.pass(60_000);
  assert.equal(watch.polls.length, 1);
});

watching(
  "polls at most every 2 s in a tab that is hidden and shown repeatedly",
  [ok(ACTIVE)],
  async (watch) => {
    for (let i = 0; i < 1_000; i++) {
      watch.tab.show(i % 2 === 1);
      await watch.pass(10);
    }
    assert.deepEqual(watch.polls, [0, 2_000, 4_000, 6_000, 8_000, 10_000]);
  },
);

let asked = 0;
watching(
  "a token that comes late counts for one poll, also where the next wait for it is under way",
  [ok(IDLE)],
  async (watch) => {
    await watch.pass(60_000);
    assert.deepEqual(watch.polls, [25_000, 55_000]);
  },
  () => asked++ ? "token" : new Promise((resolve) => setTimeout(() => resolve("token"), 25_000)),
);

watching(
  "a fresh token that comes late is used, and no other is asked for",
  [UNAUTHORIZED, ok(ACTIVE)],
  async (watch) => {
    await watch.pass(20_000);
    assert.equal(watch.refreshes, 1);
    assert.equal(watch.polls[1], 16_000);
  },
  (refresh) => refresh ? new Promise((resolve) => setTimeout(() => resolve("token"), 16_000)) : "token",
);

const late = Promise.withResolvers<string>();
watching(
  "polls as soon as a late token arrives",
  [ok(ACTIVE)],
  async (watch) => {
    await watch.pass(100_000);
    assert.deepEqual(watch.polls, []);
    late.resolve("token");
    await watch.pass(0);
    assert.deepEqual(watch.polls, [100_000]);
  },
  () => late.promise,
);

watching(
  "refreshes the token once on a 401 and goes on",
  [ok(ACTIVE), UNAUTHORIZED, ok(ACTIVE)],
  async (watch) => {
    await watch.pass(2_000);
    assert.deepEqual(watch.tokens, ["Bearer token", "Bearer token", "Bearer fresh token"]);
    assert.deepEqual(watch.polls, [0, 2_000, 2_000]);
    assert.deepEqual(watch.problems, []);
  },
);

watching(
  "refreshes again when a later token is refused",
  [UNAUTHORIZED, ok(ACTIVE), UNAUTHORIZED, ok(ACTIVE)],
  async (watch) => {
    await watch.pass(2_000);
    assert.equal(watch.refreshes, 2);
    assert.equal(watch.statuses.length, 2);
    assert.deepEqual(watch.problems, []);
  },
);

watching("reports signed_out and stops on a second 401", [UNAUTHORIZED], async (watch) => {
  await watch.pass(600_000);
  assert.equal(watch.refreshes, 1);
  assert.equal(watch.polls.length, 2);
  assert.deepEqual(watch.problems, [{ kind: "signed_out" }]);
  assert.equal(watch.ended, true);
});

watching(
  "refreshes once more before it reports signed_out where an outage falls between two 401s",
  [UNAUTHORIZED, FAILED, UNAUTHORIZED],
  async (watch) => {
    await watch.pass(600_000);
    assert.deepEqual(watch.problems.map(({ kind }) => kind), ["unreachable", "signed_out"]);
    assert.equal(watch.refreshes, 2);
  },
  () => "token",
);

watching(
  "polls a job with an unreadable start as one that has just begun",
  [ok({ active: true, job: { ...job, started_at: "yesterday" } })],
  async (watch) => {
    await watch.pass(4_000);
    assert.deepEqual(watch.polls, [0, 2_000, 4_000]);
  },
);

let outages = 2;
watching(
  "retries a refresh that fails because Auth is unreachable, and does not report signed_out",
  [UNAUTHORIZED, ok(ACTIVE)],
  async (watch) => {
    await watch.pass(31_000);
    assert.deepEqual(retries(watch), [6_000, 24_000]);
    assert.equal(watch.refreshes, 3);
    assert.equal(watch.tokens[1], "Bearer fresh token");
  },
  (refresh) => {
    if (refresh && outages-- > 0) throw new TypeError("Auth is out of reach");
    return refresh ? "fresh token" : "token";
  },
);

watching("reports signed_out after one refresh and without a poll where nobody is signed in", [
  ok(ACTIVE),
], async (watch) => {
  await watch.pass(0);
  assert.deepEqual(watch.polls, []);
  assert.equal(watch.refreshes, 1);
  assert.deepEqual(watch.problems, [{ kind: "signed_out" }]);
}, () => null);

watching("reports forbidden and stops on a 403", [FORBIDDEN], async (watch) => {
  await watch.pass(600_000);
  assert.equal(watch.polls.length, 1);
  assert.deepEqual(watch.problems, [{ kind: "forbidden" }]);
  assert.equal(watch.ended, true);
});

watching(
  "never has two polls in flight with a slow service and a busy tab",
  [() => new Promise((resolve) => setTimeout(() => resolve(Response.json(ACTIVE)), 9_000))],
  async (watch) => {
    for (let i = 0; i < 30; i++) {
      watch.tab.show(i % 2 === 0);
      await watch.pass(1_000);
    }
    assert(watch.polls.length >= 2);
    assert.equal(watch.mostInFlight, 1);
  },
);

watching(
  "ends on abort between two polls, and leaves no timer",
  [ok(ACTIVE)],
  async (watch) => {
    await watch.pass(1_000);
    assert.equal(watch.timers(), 1);
    watch.abort();
    await watch.pass(0);
    assert.equal(watch.timers(), 0);
    await watch.pass(600_000);
    assert.equal(watch.polls.length, 1);
    assert.equal(watch.ended, true);
  },
);

watching("ends on abort inside onStatus", [ok(IDLE)], async (watch) => {
  watch.whenTold = watch.abort;
  await watch.pass(30_000);
  assert.equal(watch.statuses.length, 2);
  assert.equal(watch.ended, true);
});

watching(
  "cancels the running poll on abort, and reports no problem",
  [(signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))],
  async (watch) => {
    watch.abort();
    await watch.pass(0);
    assert.equal(watch.ended, true);
    assert.deepEqual(watch.problems, []);
  },
);

watching("ends on abort in a hidden tab", [ok(ACTIVE)], async (watch) => {
  watch.tab.show(false);
  await watch.pass(10_000);
  watch.abort();
  await watch.pass(0);
  assert.equal(watch.ended, true);
});

const never = () => new Promise<never>(() => {});

watching("ends on abort while it waits for a token", [ok(ACTIVE)], async (watch) => {
  watch.abort();
  await watch.pass(0);
  assert.equal(watch.ended, true);
  assert.deepEqual(watch.problems, []);
}, never);

let calls = 0;
watching(
  "reports unreachable where getAccessToken never settles, and calls it once",
  [ok(ACTIVE)],
  async (watch) => {
    await watch.pass(600_000);
    assert(watch.problems.length > 5);
    assert(watch.problems.every(({ kind }) => kind === "unreachable"));
    assert.deepEqual(watch.polls, []);
    assert.equal(calls, 1);
  },
  () => {
    calls++;
    return never();
  },
);

watching("reports unreachable where the service never answers", [
  (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  ok(ACTIVE),
], async (watch) => {
  await watch.pass(22_000);
  assert.deepEqual(watch.problems.map(({ kind }) => kind), ["unreachable"]);
  assert(watch.polls.length >= 2);
  assert.equal(watch.mostInFlight, 1);
});

watching("passes what onStatus throws to reportError, and goes on", [ok(ACTIVE)], async (watch) => {
  const error = new Error("a mistake of the page");
  watch.whenTold = () => {
    throw error;
  };
  await watch.pass(4_000);
  assert.deepEqual(watch.polls, [0, 2_000, 4_000]);
  assert.deepEqual(watch.reported, [error, error]);
});

watching(
  "passes what onError throws to reportError, and goes on",
  [ok(ACTIVE), FAILED, ok(ACTIVE)],
  async (watch) => {
    const error = new Error("a mistake of the page");
    watch.whenFailed = () => {
      throw error;
    };
    await watch.pass(10_000);
    assert(watch.polls.length >= 3);
    assert.deepEqual(watch.reported, [error]);
  },
);

watching(
  "leaves no listener and no timer after ten thousand polls",
  [ok(ACTIVE), FAILED, ok(IDLE)],
  async (watch) => {
    await watch.pass(1_000);
    const [listeners, timers] = [watch.listeners(), watch.timers()];
    for (let i = 0; watch.polls.length < 10_000; i++) {
      watch.tab.show(i % 3 > 0);
      await watch.pass(15_000);
      assert(watch.listeners() <= listeners, `${watch.listeners()} after ${watch.polls.length} polls`);
    }
    watch.tab.show(true);
    await watch.pass(1_000);
    assert.equal(watch.listeners(), listeners);
    assert.equal(watch.timers(), timers);
    watch.abort();
    await watch.pass(0);
    assert.equal(watch.listeners(), 0);
    assert.equal(watch.timers(), 0);
  },
);

const AT = Date.parse("2025-03-15T10:05:30Z");

test("outlookOf gives the mean rate since the start, and the remaining time at that rate", () => {
  assert.deepEqual(outlookOf(job, AT), { callsPerSecond: 2.5, secondsRemaining: 300, stalled: false });
});

test("outlookOf gives no remaining time while the total is unknown", () => {
  assert.equal(outlookOf({ ...job, total_calls: null }, AT).secondsRemaining, null);
});

test("outlookOf gives no rate before the first activity", () => {
  for (const early of [{ last_activity_at: null }, { started_at: null }, { processed_calls: 0 }]) {
    const { callsPerSecond, secondsRemaining } = outlookOf({ ...job, ...early }, AT);
    assert.deepEqual([callsPerSecond, secondsRemaining], [null, null]);
  }
});

test("outlookOf calls a job stalled two minutes after its last activity, or after its start where it had none", () => {
  const after = (ms: number, changes = {}) =>
    outlookOf({ ...job, ...changes }, Date.parse("2025-03-15T10:05:00Z") + ms).stalled;
  assert.equal(after(120_000), false);
  assert.equal(after(120_001), true);
  assert.equal(after(0, { last_activity_at: null }), true);
});

test("outlookOf gives no remaining time for a stalled job", () => {
  assert.equal(outlookOf(job, AT + 120_000).secondsRemaining, null);
});

test("outlookOf never calls a pending job stalled", () => {
  for (const last_activity_at of [null, job.last_activity_at]) {
    const pending: ActiveJob = { ...job, status: "pending", last_activity_at };
    assert.equal(outlookOf(pending, AT + 86_400_000).stalled, false);
  }
});
