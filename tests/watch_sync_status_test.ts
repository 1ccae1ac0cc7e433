/** The client's watch_sync_status.ts on a fake clock: when it polls, and what the page gets. */

import assert from "node:assert/strict";
import type { Clock } from "@sinonjs/fake-timers";
import type { ActiveJob, SyncStatus } from "../examples/client/types.ts";
import type { JobEstimate, SyncStatusProblem } from "../examples/client/watch_sync_status.ts";
import { watchSyncStatus } from "../examples/client/watch_sync_status.ts";
import { never, testOnFakeClock } from "./support/fake_clock.ts";
import { ACTIVE_EXAMPLE } from "./support/helpers.ts";

/** When a watch begins, by the server's clock. */
const START = Date.parse("2025-03-15T10:00:00Z");
const HOUR = 3_600;

const { job }: { job: ActiveJob } = JSON.parse(ACTIVE_EXAMPLE);
const IDLE: SyncStatus = { active: false, recent_job: null };

/** Requests and answers of the service. */
type Init = { headers: { Authorization: string }; signal: AbortSignal };
type Answer = (signal: AbortSignal) => Response | Promise<Response>;
const json = (body: unknown, status = 200): Answer => () => Response.json(body, { status });
const idle = json(IDLE);
const active = (changes: Partial<ActiveJob> = {}) => json({ active: true, job: { ...job, ...changes } });
const error = (status: number, code: string) => json({ error: "…", code }, status);
const unauthorized = error(401, "unauthorized");
const failed = error(500, "internal_error");
type GetToken = (refused?: string) => string | null | Promise<string | null>;
const unlessRefused: GetToken = (refused) => refused ? null : "token";
const neverSettles = () => new Promise<never>(() => {});

/** A watch, and what it did. The service gives its answers in turn, and repeats the last one. Time is in seconds. */
class Watch {
  polls: number[] = [];
  tokens: string[] = [];
  statuses: SyncStatus[] = [];
  estimate: JobEstimate | null = null;
  problems: SyncStatusProblem[] = [];
  /** How long it waits after each `unreachable`. */
  retries: number[] = [];
  ended = false;
  /** How many listeners it has. */
  listeners = 0;
  tab = Object.assign(new EventTarget(), { visibilityState: "visible" });
  window = new EventTarget();
  /** What the page does when it is called back. */
  whenCalled = () => {};
  /** What `Math.random` gives. */
  chance = 0.5;
  pollNow: () => void;
  abort: () => void;

  constructor(readonly clock: Clock, readonly answers: Answer[], getToken: GetToken) {
    const controller = new AbortController();
    const { signal } = controller;
    const { tab, window } = this;
    this.abort = () => controller.abort();
    for (const target of [tab, window, signal]) {
      for (const [name, step] of [["addEventListener", 1], ["removeEventListener", -1]] as const) {
        const method = target[name].bind(target);
        target[name] = (...args: Parameters<EventTarget["addEventListener"]>) => {
          this.listeners += step;
          method(...args);
        };
      }
    }
    const { addEventListener, removeEventListener } = window;
    Object.assign(globalThis, { document: tab, addEventListener, removeEventListener, fetch: this.#fetch });
    Math.random = () => this.chance;
    const { ended, pollNow } = watchSyncStatus({
      url: "https://project.test/functions/v1/get-sync-status",
      getAccessToken: async (refused) => await getToken(refused),
      signal,
      onStatus: (status, estimate) => {
        this.statuses.push(status);
        this.estimate = estimate;
        this.whenCalled();
      },
      onError: (problem) => {
        this.problems.push(problem);
        if (problem.kind === "unreachable") this.retries.push(Math.round(problem.retryInMs) / 1_000);
        this.whenCalled();
      },
    });
    this.pollNow = pollNow;
    void ended.then(() => this.ended = true);
  }

  #fetch = async (_: string, { headers, signal }: Init) => {
    // The clock sets what is due at once a millisecond later.
    this.polls.push(Math.floor(performance.now() / 10) / 100);
    this.tokens.push(headers.Authorization);
    const answer = this.answers[Math.min(this.polls.length, this.answers.length) - 1] ?? failed;
    const response = await answer(signal);
    response.headers.set("Date", new Date(START + performance.now()).toUTCString());
    return response;
  };

  showTab(visible: boolean): void {
    this.tab.visibilityState = visible ? "visible" : "hidden";
    this.tab.dispatchEvent(new Event("visibilitychange"));
  }
  goOnline = () => void this.window.dispatchEvent(new Event("online"));
  pass = (seconds: number) => this.clock.tickAsync(seconds * 1_000);

  /** Asserts that it has ended, without a timer or a listener. */
  leftNothing(): void {
    assert.deepEqual([this.ended, this.clock.countTimers(), this.listeners], [true, 0, 0]);
  }
}

function watching(
  sentence: string,
  answers: Answer[],
  check: (watch: Watch) => Promise<void> | void,
  getToken: GetToken = () => "token",
): void {
  testOnFakeClock(`watchSyncStatus ${sentence}`, START, async (clock) => {
    const watch = new Watch(clock, [...answers], getToken);
    await watch.pass(0);
    await check(watch);
  });
}

for (
  const [often, answers, due] of [
    ["every 2 s while a job is active", [active()], [0, 2, 4, 6]],
    ["every 6 s for a job of ten minutes", [active({ started_at: "2025-03-15T09:50:00Z" })], [0, 6]],
    ["every 15 s for a job of a day", [active({ started_at: "2025-03-14T10:00:00Z" })], [0, 15]],
    ["every 30 s while no job is active", [idle], [0, 30, 60]],
  ] as const
) {
  watching(`polls ${often}`, [...answers], async (watch) => {
    await watch.pass(due.at(-1) ?? 0);
    assert.deepEqual(watch.polls, due);
  });
}

const running = { started_at: "2025-03-15T09:55:00Z", last_activity_at: "2025-03-15T10:00:00Z" };
for (const days of [-1, 1]) {
  watching(`goes by the server's time on a clock ${days} day fast`, [active(running)], async (watch) => {
    watch.clock.setSystemTime(START + days * 24 * HOUR * 1_000);
    await watch.pass(120);
    assert.deepEqual([watch.polls.length, watch.estimate?.stalled], [34, false]);
    await watch.pass(5);
    assert.equal(watch.estimate?.stalled, true);
  });
}

const pending = active({ started_at: null });
watching("polls a pending job 4,000 times in 8 hours at most, often at first", [pending], async (watch) => {
  await watch.pass(8 * HOUR);
  assert.deepEqual(watch.polls.slice(0, 3), [0, 2, 4]);
  assert(watch.polls.length <= 4_000, `${watch.polls.length}`);
});

watching("polls 45 times in an idle hour at most, and 150 times in eight", [idle], async (watch) => {
  for (const [hours, most] of [[1, 45], [7, 150]] as const) {
    await watch.pass(hours * HOUR);
    assert(watch.polls.length <= most, `${watch.polls.length}`);
  }
});

for (
  const [what, happens] of Object.entries<(watch: Watch) => void>({
    "the tab is shown": (watch) => [false, true].forEach((visible) => watch.showTab(visible)),
    "the network has returned": (watch) => watch.goOnline(),
    "pollNow is called": (watch) => watch.pollNow(),
    "another job has ended": (watch) => watch.answers.push(json({ active: false, recent_job: job })),
  })
) {
  watching(`waits 5 minutes at most, and 30 s again if ${what}`, [idle], async (watch) => {
    watch.chance = 1;
    await watch.pass(2 * HOUR);
    const [last = 0, before = 0] = watch.polls.toReversed();
    watch.chance = 0.5;
    const { length } = watch.polls;
    happens(watch);
    await watch.pass(400);
    const [first = 0, second = 0] = watch.polls.slice(length);
    assert.deepEqual([last - before, second - first].map(Math.round), [299, 30]);
  });
}

watching("makes each wait longer or shorter by chance", [active(), active(), idle, failed], async (watch) => {
  for (const [chance, wait] of [[1, 2], [0, 2.4], [1, 25.5], [0, 60]] as const) {
    watch.chance = chance;
    await watch.pass(wait);
  }
  assert.deepEqual([watch.polls, watch.retries], [[0, 2, 4.4, 29.9, 89.9], [60, 30]]);
});

watching("does not poll in a hidden tab, and polls at once when it is shown", [idle], async (watch) => {
  await watch.pass(5);
  watch.showTab(false);
  watch.pollNow();
  await watch.pass(600);
  watch.showTab(true);
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 605]);
});

watching("polls within 4 s when the network has returned, at a random moment", [idle], async (watch) => {
  for (const chance of [0.5, 1]) {
    watch.chance = chance;
    await watch.pass(6);
    watch.goOnline();
    await watch.pass(4);
  }
  assert.deepEqual(watch.polls, [0, 8, 20]);
});

for (
  const [what, fails] of Object.entries<Answer>({
    "an answer that is not JSON": () => new Response("<html>"),
    "a 401 with another code": error(401, "UNAUTHORIZED_NO_AUTH_HEADER"),
    "an unauthorized that is no 401": error(511, "unauthorized"),
    "a forbidden that is no 403": error(511, "forbidden"),
    "a firewall's forbidden": json({ code: "forbidden" }, 403),
    "a gateway's unauthorized": json({ code: "unauthorized" }, 401),
    "a JSON null": json(null),
    "a captive portal's JSON": json({ login: true }),
    "an active status without a job": json({ active: true }),
    "an idle status without a job": json({ active: false }),
    "a status that is neither": json({ active: "yes", job, recent_job: null }),
    "a status in a 502": json(IDLE, 502),
    "no answer within 15 s": never,
  })
) {
  watching(`reports unreachable for ${what}, and goes on`, [active(), fails, idle], async (watch) => {
    await watch.pass(2);
    if (fails === never) await watch.pass(15);
    assert.deepEqual([watch.retries.length, watch.statuses.length], [1, 1]);
    await watch.pass(watch.retries[0] ?? NaN);
    assert.deepEqual([watch.polls.length, watch.statuses.at(-1)], [3, IDLE]);
  }, unlessRefused);
}

watching("waits longer after each failure, until pollNow", [active(), active(), failed], async (watch) => {
  await watch.pass(4 + 6 + 24 + 45);
  watch.pollNow();
  await watch.pass(2);
  assert.deepEqual(watch.retries, [6, 24, 45, 45, 6]);
});

const outOfReach = () => Promise.reject(new TypeError("Auth is out of reach"));
watching("asks again in 2 s if there is no token, and later in 15 s", [idle], async (watch) => {
  await watch.pass(HOUR);
  assert.deepEqual([...watch.retries.slice(0, 10), watch.retries.at(-1)], [...Array(10).fill(2), 15]);
  assert.deepEqual(watch.polls, []);
}, outOfReach);

watching("reports unreachable if there is no token after 15 s", [idle], async (watch) => {
  await watch.pass(15);
  assert.deepEqual(watch.retries, [2]);
}, neverSettles);

watching("polls at once on pollNow, and every 2 s at most, whoever asks for it", [failed], async (watch) => {
  await watch.pass(3);
  for (let i = 0; i < 100; i++) {
    watch.pollNow();
    watch.showTab(i % 2 === 0);
    await watch.pass(0.1);
  }
  assert.deepEqual(watch.polls, [0, 3, 5, 7, 9, 11]);
});

const slow = () => new Promise<Response>((resolve) => setTimeout(() => resolve(Response.json(IDLE)), 9_000));
watching("polls once more if pollNow is called during a poll", [slow, idle], async (watch) => {
  await watch.pass(1);
  watch.pollNow();
  watch.showTab(true);
  await watch.pass(38);
  assert.deepEqual(watch.polls, [0, 9, 39]);
});

/** Tokens that say how often one was refused. */
const nextToken = (refused?: string) => refused ? `${refused}+` : "token";
const refusals = [active(), unauthorized, active(), active(), unauthorized, active()];
watching("sends a token until it is refused, and the next one at once", refusals, async (watch) => {
  await watch.pass(6);
  assert.deepEqual(watch.tokens, ["", "", "+", "+", "+", "++"].map((pluses) => `Bearer token${pluses}`));
  assert.deepEqual([watch.polls, watch.problems], [[0, 2, 2, 4, 6, 6], []]);
}, nextToken);

watching("asks for one token a poll if the new one is refused too", [unauthorized], async (watch) => {
  await watch.pass(600);
  assert.equal(watch.retries.length, watch.problems.length);
  assert.equal(watch.tokens.at(-1), `Bearer token${"+".repeat(watch.problems.length)}`);
}, nextToken);

for (
  const [why, kind, answer, polls, getToken] of [
    ["there is no token after a refusal", "signed_out", unauthorized, 1, unlessRefused],
    ["there is no token at all", "signed_out", idle, 0, () => null],
    ["the user has no agency", "forbidden", error(403, "forbidden"), 1, undefined],
  ] as const
) {
  watching(`ends with ${kind} if ${why}`, [answer], async (watch) => {
    watch.pollNow();
    await watch.pass(600);
    assert.deepEqual([watch.problems, watch.polls.length], [[{ kind }], polls]);
    watch.leftNothing();
  }, getToken);
}

const abort = (watch: Watch) => watch.abort();
for (
  const [when, act, answer, getToken] of [
    ["between two polls", abort, idle, undefined],
    ["during a poll", abort, never, undefined],
    ["while it waits for a token", abort, idle, neverSettles],
    ["inside onStatus", (watch: Watch) => watch.whenCalled = watch.abort, active(), undefined],
  ] as const
) {
  watching(`ends on abort ${when}, and reports nothing more`, [answer], async (watch) => {
    await watch.pass(3);
    act(watch);
    await watch.pass(1);
    watch.leftNothing();
    const { length } = watch.polls;
    watch.pollNow();
    await watch.pass(60);
    assert.deepEqual([watch.polls.length, watch.problems], [length, []]);
  }, getToken);
}

const { addEventListener, removeEventListener } = globalThis;
watching("goes on after what the page's own functions throw", [active(), failed, active()], async (watch) => {
  watch.whenCalled = () => {
    throw new Error("a mistake of the page");
  };
  let thrown = 0;
  const count = (event: Event) => {
    event.preventDefault();
    thrown++;
  };
  addEventListener("unhandledrejection", count);
  await watch.pass(10);
  removeEventListener("unhandledrejection", count);
  assert.deepEqual([watch.polls, thrown], [[0, 2, 8, 10], 3]);
});

const silent = { last_activity_at: "2025-03-15T09:57:59Z", processed_calls: 179 };
for (
  const [what, changes, callsPerSecond, secondsRemaining, stalled] of [
    ["the mean rate since the start, and the remaining time", {}, 2.5, 300, false],
    ["no remaining time without a total", { total_calls: null }, 2.5, null, false],
    ["0 s if more was processed than the total", { total_calls: 700 }, 2.5, 0, false],
    ["no remaining time if a job is stalled", silent, 1, null, true],
    ["no rate without any activity", { last_activity_at: null }, null, null, true],
  ] as const
) {
  watching(`estimates ${what}`, [active({ ...running, ...changes })], ({ estimate }) => {
    assert.deepEqual(estimate, { callsPerSecond, secondsRemaining, stalled });
  });
}

testOnFakeClock("watchSyncStatus ends at once if its signal is aborted", START, async () => {
  const controller = new AbortController();
  controller.abort();
  const { signal } = controller;
  const fail = () => assert.fail();
  await watchSyncStatus({ url: "", getAccessToken: fail, signal, onStatus: fail, onError: fail }).ended;
});
