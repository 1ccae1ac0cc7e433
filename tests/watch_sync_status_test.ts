import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import type { Clock } from "@sinonjs/fake-timers";
import type { ActiveJob } from "../examples/client/types.ts";
import { type JobEstimate, watchSyncStatus } from "../examples/client/watch_sync_status.ts";
import { never, testOnFakeClock } from "./support/fake_clock.ts";
import { ACTIVE_EXAMPLE } from "./support/helpers.ts";

/** When a watch begins, by the server's clock. */
const START = Date.parse("2025-03-15T10:00:00Z");
const HOUR = 3_600;

const { job }: { job: ActiveJob } = JSON.parse(ACTIVE_EXAMPLE);
const IDLE = { active: false, recent_job: null };

type Answer = (signal?: AbortSignal | null) => Response | Promise<Response>;
const json = (body: unknown, status = 200): Answer => () => Response.json(body, { status });
const idle = json(IDLE);
const active = (changes: Partial<ActiveJob> = {}) => json({ active: true, job: { ...job, ...changes } });
const error = (status: number, code: string) => json({ error: "…", code }, status);
const unauthorized = error(401, "unauthorized");
const failed = error(500, "internal_error");

type GetToken = (refused?: string) => string | null | Promise<string | null>;
const unlessRefused: GetToken = (refused) => refused ? null : "token";
const nextToken: GetToken = (refused) => refused ? `${refused}+` : "token";

/** A watch, and what it did. The answers come in turn, the last one for good. Time is in seconds. */
class Watch {
  polls: number[] = [];
  sent: (string | null)[] = [];
  /** What `getAccessToken` is told. */
  refused: (string | undefined)[] = [];
  /** "active", "idle" or a problem's kind. */
  reports: string[] = [];
  retries: number[] = [];
  estimate: JobEstimate | null = null;
  ended = false;
  tab = Object.assign(new EventTarget(), { visibilityState: "visible" });
  window = new EventTarget();
  controller = new AbortController();
  /** What `Math.random` gives. */
  chance = 0.5;
  pollNow: () => void;

  constructor(readonly clock: Clock, readonly answers: Answer[], getToken: GetToken) {
    const { tab, window } = this;
    const addEventListener = window.addEventListener.bind(window);
    const removeEventListener = window.removeEventListener.bind(window);
    Object.assign(globalThis, { document: tab, addEventListener, removeEventListener, fetch: this.#fetch });
    Math.random = () => this.chance;
    const { ended, pollNow } = watchSyncStatus({
      url: "https://project.test/functions/v1/get-sync-status",
      getAccessToken: async (refused) => {
        this.refused.push(refused);
        return await getToken(refused);
      },
      signal: this.controller.signal,
      onStatus: (status, estimate) => {
        this.reports.push(status.active ? "active" : "idle");
        this.estimate = estimate;
      },
      onError: (problem) => {
        this.reports.push(problem.kind);
        if (problem.kind === "unreachable") this.retries.push(Math.round(problem.retryInMs) / 1_000);
      },
    });
    this.pollNow = pollNow;
    void ended.then(() => this.ended = true);
  }

  #fetch: typeof fetch = async (_, init) => {
    // The clock sets what is due at once a millisecond later.
    this.polls.push(Math.floor(performance.now() / 10) / 100);
    this.sent.push(new Headers(init?.headers).get("Authorization"));
    const answer = this.answers[Math.min(this.polls.length, this.answers.length) - 1] ?? failed;
    const response = await answer(init?.signal);
    response.headers.set("Date", new Date(START + performance.now()).toUTCString());
    return response;
  };

  showTab(visible: boolean): void {
    this.tab.visibilityState = visible ? "visible" : "hidden";
    this.tab.dispatchEvent(new Event("visibilitychange"));
  }
  pass = (seconds: number) => this.clock.tickAsync(seconds * 1_000);

  /** The time between the last poll and the next. */
  async wait(): Promise<number> {
    const { length } = this.polls;
    await this.pass(300);
    const [last = NaN, next = NaN] = this.polls.slice(length - 1);
    return Math.round(next - last);
  }
}

function watching(
  sentence: string,
  answers: readonly Answer[],
  check: (watch: Watch) => Promise<void> | void,
  getToken: GetToken = () => "token",
): void {
  testOnFakeClock(`watchSyncStatus ${sentence}`, START, async (clock) => {
    const watch = new Watch(clock, [...answers], getToken);
    await watch.pass(0);
    await check(watch);
  });
}

watching("polls every 2 s with a job, every 30 s without", [active(), active(), idle], async (watch) => {
  await watch.pass(34);
  assert.deepEqual(watch.polls, [0, 2, 4, 34]);
});

const WAITS = [
  ["of an active job", active(), 12, 18],
  ["of a pending job", active({ started_at: null }), 12, 18],
  ["without a job", idle, 221, 299],
  ["of failed polls", failed, 30, 60],
] as const;
for (const [what, answer, shortest, longest] of WAITS) {
  watching(`waits ${shortest} to ${longest} s after an hour ${what}`, [answer], async (watch) => {
    for (const [chance, due] of [[0, shortest], [1, longest]] as const) {
      watch.chance = chance;
      await watch.pass(HOUR);
      assert.equal(await watch.wait(), due);
    }
  });
}

watching("polls 45 times in an idle hour at most, and anew after a job", [idle], async (watch) => {
  await watch.pass(HOUR);
  assert(watch.polls.length <= 45, `${watch.polls.length}`);
  watch.answers.push(json({ active: false, recent_job: job }));
  await watch.pass(270);
  assert.equal(await watch.wait(), 30);
});

const running = { started_at: "2025-03-15T09:55:00Z", last_activity_at: "2025-03-15T10:00:00Z" };
watching("goes by the server's time on a clock one day fast", [active(running)], async (watch) => {
  watch.clock.setSystemTime(START + 24 * HOUR * 1_000);
  await watch.pass(120);
  assert.equal(watch.estimate?.stalled, false);
  await watch.pass(10);
  assert.equal(watch.estimate?.stalled, true);
  assert.equal(await watch.wait(), 4);
});

watching("polls in no hidden tab, and at once when it is shown", [idle], async (watch) => {
  await watch.pass(5);
  watch.showTab(false);
  watch.pollNow();
  await watch.pass(600);
  watch.showTab(true);
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 605]);
  assert.equal(await watch.wait(), 30);
});

watching("polls within 4 s, at random, when the network returns", [idle], async (watch) => {
  await watch.pass(600);
  const { length } = watch.polls;
  watch.window.dispatchEvent(new Event("online"));
  await watch.pass(4);
  assert.deepEqual(watch.polls.slice(length), [602]);
  assert.equal(await watch.wait(), 30);
});

const FAULTS: Record<string, Answer> = {
  "an answer that is not JSON": () => new Response("<html>"),
  "a 401 with another code": error(401, "UNAUTHORIZED_NO_AUTH_HEADER"),
  "an unauthorized that is no 401": error(511, "unauthorized"),
  "a forbidden that is no 403": error(511, "forbidden"),
  "a firewall's forbidden": json({ code: "forbidden" }, 403),
  "a gateway's unauthorized": json({ code: "unauthorized" }, 401),
  "an active status without a job": json({ active: true }),
  "an idle status without a job": json({ active: false }),
  "a status that is neither": json({ active: "yes", job, recent_job: null }),
  "a status in a 502": json(IDLE, 502),
  "no answer within 15 s": never,
};
for (const [what, fails] of Object.entries(FAULTS)) {
  watching(`reports unreachable for ${what}, and goes on`, [active(), fails, idle], async (watch) => {
    await watch.pass(2);
    if (fails === never) await watch.pass(15);
    assert.deepEqual(watch.reports, ["active", "unreachable"]);
    await watch.pass(45);
    assert.equal(watch.reports[2], "idle");
  }, unlessRefused);
}

watching("waits longer after each failure, until pollNow", [active(), failed], async (watch) => {
  await watch.pass(77);
  watch.pollNow();
  await watch.pass(2);
  assert.deepEqual(watch.retries, [6, 24, 45, 45, 6]);
});

watching("asks for a token again after 2 to 15 s if none comes", [idle], async (watch) => {
  await watch.pass(HOUR);
  assert.deepEqual([watch.retries[0], watch.retries.at(-1), watch.polls], [2, 15, []]);
}, () => new Promise(() => {}));

watching("polls at once on pollNow, and every 2 s at most", [failed], async (watch) => {
  await watch.pass(3);
  for (let i = 0; i < 100; i++) {
    watch.pollNow();
    watch.showTab(i % 2 === 0);
    await watch.pass(0.1);
  }
  assert.deepEqual(watch.polls, [0, 3, 5, 7, 9, 11]);
});

const slow = () => new Promise<Response>((resolve) => setTimeout(() => resolve(Response.json(IDLE)), 9_000));
watching("polls once more after pollNow during a poll", [slow, idle], async (watch) => {
  await watch.pass(1);
  watch.pollNow();
  watch.showTab(true);
  await watch.pass(38);
  assert.deepEqual(watch.polls, [0, 9, 39]);
});

const refusals = [active(), unauthorized, active(), active()];
watching("sends a token until it is refused, and the next one at once", refusals, async (watch) => {
  await watch.pass(4);
  assert.deepEqual(watch.sent, ["token", "token", "token+", "token+"].map((token) => `Bearer ${token}`));
  assert.deepEqual([watch.polls, watch.refused], [[0, 2, 2, 4], [undefined, "token"]]);
}, nextToken);

watching("asks for one token a poll if each is refused", [unauthorized], async (watch) => {
  await watch.pass(600);
  assert.deepEqual(new Set(watch.reports), new Set(["unreachable"]));
  assert.equal(watch.refused.length, watch.reports.length + 1);
}, nextToken);

const ENDS = [
  ["with signed_out", unauthorized, ["signed_out"]],
  ["with forbidden", error(403, "forbidden"), ["forbidden"]],
  ["on abort between polls", idle, ["idle"]],
  ["on abort during a poll", never, []],
] as const;
for (const [how, answer, reports] of ENDS) {
  watching(`ends ${how}, and leaves nothing`, [answer], async (watch) => {
    if (how.startsWith("on abort")) watch.controller.abort();
    await watch.pass(1);
    const { tab, window, controller: { signal } } = watch;
    const targets = [[tab, "visibilitychange"], [window, "online"], [signal, "abort"]] as const;
    const listeners = targets.flatMap(([target, type]) => getEventListeners(target, type));
    assert.deepEqual([watch.ended, watch.clock.countTimers(), listeners], [true, 0, []]);
    watch.pollNow();
    await watch.pass(600);
    assert.deepEqual([watch.reports, watch.polls.length], [reports, 1]);
  }, unlessRefused);
}

const { addEventListener, removeEventListener } = globalThis;
watching("goes on if the page's functions throw", [active(), failed, active()], async (watch) => {
  watch.reports.push = () => assert.fail("a mistake of the page");
  const ignore = (event: Event) => event.preventDefault();
  addEventListener("unhandledrejection", ignore);
  await watch.pass(10);
  removeEventListener("unhandledrejection", ignore);
  assert.deepEqual(watch.polls, [0, 2, 8, 10]);
});

const silent = { last_activity_at: "2025-03-15T09:57:59Z", processed_calls: 179 };
const ESTIMATES = [
  ["the mean rate and the remaining time", {}, 2.5, 300, false],
  ["no remaining time without a total", { total_calls: null }, 2.5, null, false],
  ["0 s if more was processed than the total", { total_calls: 700 }, 2.5, 0, false],
  ["no remaining time if a job is stalled", silent, 1, null, true],
  ["no rate without any activity", { last_activity_at: null }, null, null, true],
] as const;
for (const [what, changes, callsPerSecond, secondsRemaining, stalled] of ESTIMATES) {
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
