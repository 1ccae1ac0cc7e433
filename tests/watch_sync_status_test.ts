/** The example client, path by path, on fake timers. */

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
import { test } from "../testing/helpers.ts";

const START = Date.parse("2025-03-15T10:00:00Z");

const { job } = example as { job: ActiveJob };
const ACTIVE: SyncStatus = { active: true, job };
const IDLE: SyncStatus = { active: false, recent_job: null };

const ok = (status: SyncStatus) => () => Response.json(status);
const error = (status: number, code?: ErrorCode) => () => Response.json({ error: "…", code }, { status });
const UNAUTHORIZED = error(401, "unauthorized");
const FORBIDDEN = error(403, "forbidden");
const FAILED = error(500, "internal_error");

/** A tab that can be hidden, as far as the client looks at one. */
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
  /** The Authorization header of each. */
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
  /** What was given to `reportError`. */
  reported: unknown[];
  /** What the front end does when it is told a status, and a problem. */
  whenTold?(): void;
  whenFailed?(): void;
  abort(): void;
  pollNow: SyncStatusWatch["pollNow"];
  /** What chance is from now on, from 0 to 1; in the middle unless it is set. */
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

/** Runs a test on fake time against a service that answers in turn, the last answer from then on. */
function watching(
  sentence: string,
  answers: ((signal: AbortSignal) => Response | Promise<Response>)[],
  check: (watch: Watch) => Promise<void>,
  tokenOf: (refresh: boolean) => string | null | Promise<string | null> = (refresh) =>
    refresh ? "fresh token" : "token",
): void {
  test(sentence, async () => {
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
    // What browsers lack that are still in use.
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

watching("it polls every 2 s while a job is active", [ok(ACTIVE)], async (watch) => {
  await watch.pass(6_000);
  assert.deepEqual(watch.polls, [0, 2_000, 4_000, 6_000]);
  assert.deepEqual(watch.statuses[0], ACTIVE);
  assert.equal(watch.tokens[0], "Bearer token");
});

watching(
  "it polls a job that runs for ten minutes every 6 s, and one that runs for a day every 15 s",
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

watching("it polls every 30 s while no job is active", [ok(IDLE)], async (watch) => {
  await watch.pass(60_000);
  assert.deepEqual(watch.polls, [0, 30_000, 60_000]);
});

watching(
  "it does not poll while the tab is hidden, and at once when it is shown",
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

watching("it does not wait out the idle time when the tab is shown again", [ok(IDLE)], async (watch) => {
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
    `it says that ${what} makes the service unreachable, waits longer each time, and keeps the last status`,
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

watching("a wait after a failure is less by a random part of up to a half", [FAILED], async (watch) => {
  for (const chance of [0, 0.999]) {
    watch.chance = chance;
    await watch.pass(600_000);
  }
  assert.equal(Math.max(...retries(watch)), 60_000);
  assert.equal(Math.round(Math.min(...retries(watch).slice(-3)) / 100), 300);
});

watching(
  "the first wait after a failure is longer than the ordinary one, also while no job is active",
  [ok(IDLE), FAILED, FAILED],
  async (watch) => {
    watch.chance = 0.999;
    await watch.pass(120_000);
    assert(retries(watch).length >= 2);
    for (const wait of retries(watch)) assert(wait > 30_000, `${wait}`);
  },
);

watching(
  "its waits begin anew after a success",
  [FAILED, FAILED, FAILED, ok(ACTIVE), FAILED],
  async (watch) => {
    await watch.pass(78_000);
    assert.deepEqual(retries(watch), [6_000, 24_000, 45_000, 6_000]);
  },
);

watching("each ordinary wait is a fifth longer or shorter by chance", [ok(IDLE)], async (watch) => {
  await watch.pass(0);
  watch.chance = 0;
  await watch.pass(30_000);
  watch.chance = 1;
  await watch.pass(24_000 + 36_000);
  assert.deepEqual(watch.polls, [0, 30_000, 54_000, 90_000]);
});

watching("pollNow polls at once", [ok(IDLE)], async (watch) => {
  await watch.pass(5_000);
  watch.pollNow();
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 5_000]);
  await watch.pass(30_000);
  assert.deepEqual(watch.polls, [0, 5_000, 35_000], "and then goes on as before");
});

watching("pollNow polls at once also where the service was unreachable", [FAILED], async (watch) => {
  await watch.pass(3_000);
  watch.pollNow();
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 3_000]);
});

watching(
  "pollNow makes one poll of several calls, 2 s after the poll before at the soonest",
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
  "pollNow during a poll makes another one after it, and never a second in flight",
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

watching("pollNow in a hidden tab polls when the tab is shown", [ok(IDLE)], async (watch) => {
  watch.tab.show(false);
  await watch.pass(5_000);
  watch.pollNow();
  await watch.pass(5_000);
  assert.deepEqual(watch.polls, [0]);
  watch.tab.show(true);
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 10_000]);
});

watching("pollNow after the end does nothing", [FORBIDDEN], async (watch) => {
  await watch.pass(1_000);
  watch.pollNow();
  await watch.pass(60_000);
  assert.equal(watch.polls.length, 1);
});

watching(
  "a tab that is hidden and shown again and again polls every 2 s at most",
  [ok(ACTIVE)],
  async (watch) => {
    for (let i = 0; i < 1_000; i++) {
      watch.tab.show(i % 2 === 1);
      await watch.pass(10);
    }
    assert.deepEqual(watch.polls, [0, 2_000, 4_000, 6_000, 8_000, 10_000]);
  },
);

const late = Promise.withResolvers<string>();
watching(
  "a token that comes late ends the wait, whenever that is",
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
  "on 401 it refreshes the token once and goes on",
  [ok(ACTIVE), UNAUTHORIZED, ok(ACTIVE)],
  async (watch) => {
    await watch.pass(2_000);
    assert.deepEqual(watch.tokens, ["Bearer token", "Bearer token", "Bearer fresh token"]);
    assert.deepEqual(watch.polls, [0, 2_000, 2_000]);
    assert.deepEqual(watch.problems, []);
  },
);

watching(
  "it refreshes again when the next token is refused",
  [UNAUTHORIZED, ok(ACTIVE), UNAUTHORIZED, ok(ACTIVE)],
  async (watch) => {
    await watch.pass(2_000);
    assert.equal(watch.refreshes, 2);
    assert.equal(watch.statuses.length, 2);
    assert.deepEqual(watch.problems, []);
  },
);

watching("on a second 401 it says signed out and stops", [UNAUTHORIZED], async (watch) => {
  await watch.pass(600_000);
  assert.equal(watch.refreshes, 1);
  assert.equal(watch.polls.length, 2);
  assert.deepEqual(watch.problems, [{ kind: "signed_out" }]);
  assert.equal(watch.ended, true);
});

watching(
  "an outage between two 401 ends nothing: the token is refreshed once more before it says signed out",
  [UNAUTHORIZED, FAILED, UNAUTHORIZED],
  async (watch) => {
    await watch.pass(600_000);
    assert.deepEqual(watch.problems.map(({ kind }) => kind), ["unreachable", "signed_out"]);
    assert.equal(watch.refreshes, 2);
  },
  () => "token",
);

watching(
  "a job whose start can't be read is polled as one that has just begun",
  [ok({ active: true, job: { ...job, started_at: "yesterday" } })],
  async (watch) => {
    await watch.pass(4_000);
    assert.deepEqual(watch.polls, [0, 2_000, 4_000]);
  },
);

let outages = 2;
watching(
  "a refresh that fails because Auth is out of reach is no end of the session, and is tried again",
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

watching("where nobody is signed in it asks for a fresh token once, polls nothing and says signed out", [
  ok(ACTIVE),
], async (watch) => {
  await watch.pass(0);
  assert.deepEqual(watch.polls, []);
  assert.equal(watch.refreshes, 1);
  assert.deepEqual(watch.problems, [{ kind: "signed_out" }]);
}, () => null);

watching("on 403 it says forbidden and stops", [FORBIDDEN], async (watch) => {
  await watch.pass(600_000);
  assert.equal(watch.polls.length, 1);
  assert.deepEqual(watch.problems, [{ kind: "forbidden" }]);
  assert.equal(watch.ended, true);
});

watching(
  "it never has two polls in flight, however slow the service and busy the tab",
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
  "aborting ends the watch between two polls, and leaves no timer behind",
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

watching("aborting ends the watch at once where the status is told", [ok(IDLE)], async (watch) => {
  watch.whenTold = watch.abort;
  await watch.pass(30_000);
  assert.equal(watch.statuses.length, 2);
  assert.equal(watch.ended, true);
});

watching(
  "aborting ends the poll that is under way, and is no problem",
  [(signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))],
  async (watch) => {
    watch.abort();
    await watch.pass(0);
    assert.equal(watch.ended, true);
    assert.deepEqual(watch.problems, []);
  },
);

watching("aborting ends the watch of a hidden tab", [ok(ACTIVE)], async (watch) => {
  watch.tab.show(false);
  await watch.pass(10_000);
  watch.abort();
  await watch.pass(0);
  assert.equal(watch.ended, true);
});

const never = () => new Promise<never>(() => {});

watching("aborting ends a watch that waits for a token that never comes", [ok(ACTIVE)], async (watch) => {
  watch.abort();
  await watch.pass(0);
  assert.equal(watch.ended, true);
  assert.deepEqual(watch.problems, []);
}, never);

let calls = 0;
watching(
  "a token that never comes makes the service unreachable, and is asked for once",
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

watching("an answer that never comes makes the service unreachable", [
  (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  ok(ACTIVE),
], async (watch) => {
  await watch.pass(22_000);
  assert.deepEqual(watch.problems.map(({ kind }) => kind), ["unreachable"]);
  assert(watch.polls.length >= 2);
  assert.equal(watch.mostInFlight, 1);
});

watching("what onStatus throws is reported, and the watch goes on", [ok(ACTIVE)], async (watch) => {
  const error = new Error("a mistake of the page");
  watch.whenTold = () => {
    throw error;
  };
  await watch.pass(4_000);
  assert.deepEqual(watch.polls, [0, 2_000, 4_000]);
  assert.deepEqual(watch.reported, [error, error]);
});

watching(
  "what onError throws is reported, and the watch goes on",
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
  "ten thousand polls leave no listener and no timer behind",
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

test("the rate is the mean since the start, and the time remaining follows from it", () => {
  assert.deepEqual(outlookOf(job, AT), { callsPerSecond: 2.5, secondsRemaining: 300, stalled: false });
});

test("the time remaining is unknown while the total is", () => {
  assert.equal(outlookOf({ ...job, total_calls: null }, AT).secondsRemaining, null);
});

test("nothing is said of the rate before the first activity", () => {
  for (const early of [{ last_activity_at: null }, { started_at: null }, { processed_calls: 0 }]) {
    const { callsPerSecond, secondsRemaining } = outlookOf({ ...job, ...early }, AT);
    assert.deepEqual([callsPerSecond, secondsRemaining], [null, null]);
  }
});

test("a job seems stalled two minutes after its last activity, or after its start where it had none", () => {
  const after = (ms: number, changes = {}) =>
    outlookOf({ ...job, ...changes }, Date.parse("2025-03-15T10:05:00Z") + ms).stalled;
  assert.equal(after(120_000), false);
  assert.equal(after(120_001), true);
  assert.equal(after(0, { last_activity_at: null }), true);
});

test("nothing is said of the time remaining of a job that seems stalled", () => {
  assert.equal(outlookOf(job, AT + 120_000).secondsRemaining, null);
});

test("a pending job never seems stalled", () => {
  for (const last_activity_at of [null, job.last_activity_at]) {
    const pending: ActiveJob = { ...job, status: "pending", last_activity_at };
    assert.equal(outlookOf(pending, AT + 86_400_000).stalled, false);
  }
});
