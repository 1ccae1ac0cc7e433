/** The client's watch_sync_status.ts on a fake clock: when it polls, and what the page gets. */

import assert from "node:assert/strict";
import type { Clock } from "@sinonjs/fake-timers";
import { type ActiveJob, type ErrorCode, type SyncStatus } from "../examples/client/types.ts";
import {
  deriveOutlook,
  pollSyncStatus,
  type SyncStatusProblem,
  watchSyncStatus,
} from "../examples/client/watch_sync_status.ts";
import { onFakeClock } from "./support/fake_clock.ts";
import { ACTIVE_EXAMPLE, test } from "./support/helpers.ts";

const START = Date.parse("2025-03-15T10:00:00Z");
const URL_OF_FUNCTION = "https://project.test/functions/v1/get-sync-status";

const { job }: { job: ActiveJob } = JSON.parse(ACTIVE_EXAMPLE);
const IDLE: SyncStatus = { active: false, recent_job: null };

/** Answers of the service. */
type Answer = (signal: AbortSignal) => Response | Promise<Response>;
const idle: Answer = () => Response.json(IDLE);
const active = (changes: Partial<ActiveJob> = {}) => () =>
  Response.json({ active: true, job: { ...job, ...changes } });
const pending = active({ status: "pending", started_at: null });
const error = (status: number, code?: ErrorCode) => () => Response.json({ error: "…", code }, { status });
const unauthorized = error(401, "unauthorized");
const forbidden = error(403, "forbidden");
const failed = error(500, "internal_error");
const never: Answer = (signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** A watch, and what it did. The service gives its answers in turn, and repeats the last one. Time is in seconds. */
class Watch {
  polls: number[] = [];
  tokens: (string | null)[] = [];
  statuses: SyncStatus[] = [];
  problems: SyncStatusProblem[] = [];
  mostInFlight = 0;
  ended = false;
  /** What the client reads of a browser tab. */
  tab = Object.assign(new EventTarget(), { visibilityState: "visible" });
  /** What the page does when it gets a status or a problem. */
  whenCalled = () => {};
  /** What `Math.random` gives. */
  chance = 0.5;
  #controller = new AbortController();
  abort = () => this.#controller.abort();
  pollNow = () => {};

  constructor(readonly clock: Clock, readonly answers: Answer[], readonly getToken: GetToken) {}

  async run(check: (watch: Watch) => Promise<void>): Promise<void> {
    const { fetch, document } = globalThis;
    let inFlight = 0;
    Math.random = () => this.chance;
    Object.assign(globalThis, {
      document: this.tab,
      fetch: async (_url: string, init: { headers: Record<string, string>; signal: AbortSignal }) => {
        // The clock sets what is due at once a millisecond later.
        this.polls.push(Math.floor((Date.now() - START) / 10) / 100);
        this.tokens.push(init.headers.Authorization ?? null);
        this.mostInFlight = Math.max(this.mostInFlight, ++inFlight);
        const answer = this.answers[Math.min(this.polls.length, this.answers.length) - 1] ?? failed;
        return await Promise.resolve(answer(init.signal)).finally(() => inFlight--);
      },
    });
    const { ended, pollNow } = watchSyncStatus({
      url: URL_OF_FUNCTION,
      getAccessToken: async ({ refresh }) => await this.getToken(refresh),
      signal: this.#controller.signal,
      onStatus: (status) => {
        this.statuses.push(status);
        this.whenCalled();
      },
      onError: (problem) => {
        this.problems.push(problem);
        this.whenCalled();
      },
    });
    this.pollNow = pollNow;
    const over = ended.then(() => this.ended = true);
    try {
      await this.pass(0);
      await check(this);
    } finally {
      this.abort();
      await over;
      Object.assign(globalThis, { fetch, document });
    }
  }

  showTab(visible: boolean): void {
    this.tab.visibilityState = visible ? "visible" : "hidden";
    this.tab.dispatchEvent(new Event("visibilitychange"));
  }

  async pass(seconds: number): Promise<void> {
    await this.clock.tickAsync(seconds * 1_000);
  }

  /** The waits that were reported with `unreachable`. */
  retries(): number[] {
    return this.problems.map((problem) => problem.kind === "unreachable" ? problem.retryInMs / 1_000 : NaN);
  }
}

type GetToken = (refresh: boolean) => string | null | Promise<string | null>;

function watching(
  sentence: string,
  answers: Answer[],
  check: (watch: Watch) => Promise<void>,
  getToken: GetToken = (refresh) => refresh ? "fresh token" : "token",
): void {
  test(`watchSyncStatus ${sentence}`, () =>
    onFakeClock(START, (clock) => new Watch(clock, answers, getToken).run(check)));
}

const since = (started_at: string) => active({ started_at });
for (
  const [often, answers, due] of [
    ["every 2 s while a job is active", [active()], [0, 2, 4, 6]],
    ["every 6 s for a job of ten minutes", [since("2025-03-15T09:50:00Z"), active()], [0, 6, 8]],
    ["every 15 s for a job of a day", [since("2025-03-14T10:00:00Z"), active()], [0, 15, 17]],
    ["every 2 s for a job with an unreadable start", [since("yesterday")], [0, 2, 4]],
    ["every 30 s while no job is active", [idle], [0, 30, 60]],
  ] as const
) {
  watching(`polls ${often}`, [...answers], async (watch) => {
    await watch.pass(due.at(-1) ?? 0);
    assert.deepEqual(watch.polls, due);
    assert.equal(watch.tokens[0], "Bearer token");
  });
}

let runs = false;
const startsLate = () => (runs ? active({ started_at: new Date().toISOString() }) : pending)();
watching(
  "polls a pending job at most 4,000 times in 8 hours, often at first and once it runs",
  [startsLate],
  async (watch) => {
    await watch.pass(8 * 3_600);
    assert.deepEqual(watch.polls.slice(0, 3), [0, 2, 4]);
    assert(watch.polls.length <= 4_000, `${watch.polls.length}`);
    runs = true;
    await watch.pass(18);
    const [last = 0, before = 0] = watch.polls.toReversed();
    assert.equal(last - before, 2);
  },
);

watching("makes each ordinary wait longer or shorter by up to a random fifth", [idle], async (watch) => {
  watch.chance = 0;
  await watch.pass(30);
  watch.chance = 1;
  await watch.pass(24 + 36);
  assert.deepEqual(watch.polls, [0, 30, 54, 90]);
});

watching("does not poll in a hidden tab, and polls at once when it is shown", [idle], async (watch) => {
  await watch.pass(5);
  watch.showTab(false);
  watch.pollNow();
  await watch.pass(600);
  assert.deepEqual(watch.polls, [0]);
  watch.showTab(true);
  await watch.pass(0);
  assert.deepEqual(watch.polls, [0, 605]);
});

watching("polls within 4 s when the network has returned, at a random moment", [failed], async (watch) => {
  await watch.pass(6);
  dispatchEvent(new Event("online"));
  await watch.pass(2);
  assert.deepEqual(watch.polls, [0, 6, 8]);
  watch.chance = 0.999;
  await watch.pass(5);
  dispatchEvent(new Event("online"));
  await watch.pass(4);
  assert.deepEqual(watch.polls.slice(3), [16.99]);
});

const ifNotRefused: GetToken = (refresh) => {
  if (refresh) throw new TypeError("Auth is out of reach");
  return "token";
};
for (
  const [what, fails] of Object.entries<Answer>({
    "a refused token that cannot be refreshed": unauthorized,
    "a 500": failed,
    "a network error": () => Promise.reject(new TypeError("network")),
    "an answer that is not JSON": () => new Response("<html>", { status: 200 }),
    "a 404 of a function that is not deployed": error(404),
    "a 401 of a gateway": error(401),
    "a 403 of a firewall": () => new Response("<html>", { status: 403 }),
    "a JSON null": () => Response.json(null),
    "a captive portal's JSON": () => Response.json({ login: true }),
    "an unauthorized that is no 401": error(511, "unauthorized"),
    "a forbidden that is no 403": error(511, "forbidden"),
    "a firewall's forbidden": () => Response.json({ code: "forbidden" }, { status: 403 }),
    "a status in a 502": () => Response.json(IDLE, { status: 502 }),
    "no answer within 15 s": never,
  })
) {
  const answers = [active(), fails, fails, fails, idle, fails];
  watching(`reports unreachable for ${what}, waits longer each time, and goes on`, answers, async (watch) => {
    const untilAnswer = fails === never ? 15 : 0;
    await watch.pass(2);
    for (let failures = 1; failures <= 3; failures++) {
      await watch.pass(untilAnswer);
      assert.equal(watch.problems.length, failures);
      assert.equal(watch.statuses.length, 1, "nothing was said of the status");
      await watch.pass(watch.retries().at(-1) ?? NaN);
    }
    assert.deepEqual(watch.statuses.at(-1), IDLE);
    await watch.pass(30 + untilAnswer);
    assert.deepEqual(watch.retries(), [6, 24, 45, 45]);
    assert.equal(watch.mostInFlight, 1);
  }, ifNotRefused);
}

watching("shortens a wait after a failure by a random part of up to a half", [failed], async (watch) => {
  await watch.pass(120);
  for (const [chance, wait] of [[0, 60], [0.999, 30]] as const) {
    watch.chance = chance;
    await watch.pass(120);
    assert.equal(Math.round(watch.retries().at(-1) ?? NaN), wait);
  }
});

let outages = 20;
const afterOutages = () => {
  if (outages-- > 0) throw new TypeError("Auth is out of reach");
  return "token";
};
watching(
  "asks again within 15 s if there is no token, and polls nothing meanwhile",
  [idle],
  async (watch) => {
    watch.chance = 0;
    await watch.pass(6 + 19 * 15);
    assert.deepEqual(watch.retries(), [6, ...Array(19).fill(15)]);
    assert.deepEqual(watch.polls, [6 + 19 * 15]);
  },
  afterOutages,
);

const neverSettles = () => new Promise<never>(() => {});
watching("reports unreachable if there is no token after 15 s", [idle], async (watch) => {
  await watch.pass(15);
  assert.deepEqual(watch.problems.map(({ kind }) => kind), ["unreachable"]);
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
watching(
  "polls once more if pollNow was called during a poll, then as before",
  [slow, idle],
  async (watch) => {
    await watch.pass(1);
    watch.pollNow();
    watch.pollNow();
    watch.showTab(true);
    await watch.pass(39);
    assert.deepEqual(watch.polls, [0, 9, 39]);
    assert.equal(watch.mostInFlight, 1);
  },
);

const refusedTwice = [active(), unauthorized, active(), unauthorized, active()];
watching("refreshes the token on each 401 and polls at once", refusedTwice, async (watch) => {
  await watch.pass(4);
  const [old, fresh] = ["Bearer token", "Bearer fresh token"];
  assert.deepEqual(watch.tokens, [old, old, fresh, old, fresh]);
  assert.deepEqual(watch.polls, [0, 2, 2, 4, 4]);
  assert.deepEqual(watch.problems, []);
});

const ends = [
  ["signed_out if a fresh token is refused too", "signed_out", unauthorized, 2, () => "token"],
  ["signed_out without a poll if nobody is signed in", "signed_out", idle, 0, () => null],
  ["forbidden on a 403", "forbidden", forbidden, 1, () => "token"],
] as const;
for (const [sentence, kind, answer, polls, getToken] of ends) {
  watching(`ends and reports ${sentence}`, [answer], async (watch) => {
    watch.pollNow();
    await watch.pass(600);
    assert.deepEqual(watch.problems, [{ kind }]);
    assert.equal(watch.polls.length, polls);
    assert.equal(watch.ended, true);
    assert.equal(watch.clock.countTimers(), 0);
  }, getToken);
}

const moments: [string, Answer, GetToken, (watch: Watch) => void][] = [
  ["between two polls", idle, () => "token", (watch) => watch.abort()],
  ["during a poll", never, () => "token", (watch) => watch.abort()],
  ["while it waits for a token", idle, neverSettles, (watch) => watch.abort()],
  ["inside onStatus", idle, () => "token", (watch) => {
    watch.whenCalled = watch.abort;
    watch.pollNow();
  }],
];
for (const [when, answer, getToken, abort] of moments) {
  watching(`ends on abort ${when}, reports nothing more, and leaves no timer`, [answer], async (watch) => {
    await watch.pass(3);
    abort(watch);
    await watch.pass(0);
    assert.equal(watch.ended, true);
    // So long the limit of a poll is set.
    await watch.pass(15);
    assert.equal(watch.clock.countTimers(), 0);
    const { length } = watch.polls;
    watch.showTab(true);
    dispatchEvent(new Event("online"));
    watch.pollNow();
    await watch.pass(60);
    assert.equal(watch.polls.length, length);
    assert.deepEqual(watch.problems, []);
  }, getToken);
}

watching("goes on after what the page's own functions throw", [active(), failed, active()], async (watch) => {
  const error = new Error("a mistake of the page");
  watch.whenCalled = () => {
    throw error;
  };
  const thrown: unknown[] = [];
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    thrown.push(event.reason);
  };
  addEventListener("unhandledrejection", onRejection);
  await watch.pass(10);
  removeEventListener("unhandledrejection", onRejection);
  assert.deepEqual(watch.polls, [0, 2, 8, 10]);
  assert.deepEqual(thrown, [error, error, error]);
});

test("pollSyncStatus rejects once its signal is aborted", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  const getAccessToken = () => Promise.resolve("token");
  await assert.rejects(pollSyncStatus({ url: URL_OF_FUNCTION, getAccessToken, signal }), /enough/);
});

const AT = Date.parse("2025-03-15T10:05:00Z");
const outlook = (changes: Partial<ActiveJob>, seconds = 0) =>
  deriveOutlook({ ...job, ...changes }, AT + seconds * 1_000);

test("deriveOutlook gives the mean rate since the start, and the remaining time at that rate", () => {
  assert.deepEqual(outlook({}), { callsPerSecond: 2.5, secondsRemaining: 300, stalled: false });
  assert.equal(outlook({ total_calls: null }).secondsRemaining, null);
  for (const early of [{ last_activity_at: null }, { started_at: null }, { processed_calls: 0 }]) {
    const { callsPerSecond, secondsRemaining } = outlook(early);
    assert.deepEqual([callsPerSecond, secondsRemaining], [null, null]);
  }
});

test("deriveOutlook calls a running job stalled two minutes after its last activity, or its start", () => {
  assert.equal(outlook({}, 120).stalled, false);
  assert.deepEqual(outlook({}, 121), { callsPerSecond: 2.5, secondsRemaining: null, stalled: true });
  assert.equal(outlook({ last_activity_at: null }, -60).stalled, true);
  assert.equal(outlook({ status: "pending" }, 86_400).stalled, false);
});
