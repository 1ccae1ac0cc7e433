/** The client's watch_sync_status.ts on a fake clock: when it polls, and what the page gets. */

import assert from "node:assert/strict";
import type { Clock } from "@sinonjs/fake-timers";
import type { ActiveJob, ErrorCode, SyncStatus } from "../examples/client/types.ts";
import {
  type JobEstimate,
  type SyncStatusProblem,
  watchSyncStatus,
} from "../examples/client/watch_sync_status.ts";
import { testOnFakeClock } from "./support/fake_clock.ts";
import { ACTIVE_EXAMPLE } from "./support/helpers.ts";

/** When a watch begins, by the server's clock. */
const START = Date.parse("2025-03-15T10:00:00Z");
const HOUR = 3_600;
const DAY = 24 * HOUR;

const { job }: { job: ActiveJob } = JSON.parse(ACTIVE_EXAMPLE);
const IDLE: SyncStatus = { active: false, recent_job: null };

/** Answers of the service. */
type Answer = (signal: AbortSignal) => Response | Promise<Response>;
const json = (body: unknown, status = 200): Answer => () => Response.json(body, { status });
const idle = json(IDLE);
const active = (changes: Partial<ActiveJob> = {}) => json({ active: true, job: { ...job, ...changes } });
const error = (status: number, code?: ErrorCode) => json({ error: "…", code }, status);
const unauthorized = error(401, "unauthorized");
const failed = error(500, "internal_error");
const never: Answer = (signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));

type GetToken = (refused?: string) => string | null | Promise<string | null>;
const neverSettles = () => new Promise<never>(() => {});

/** A watch, and what it did. The service gives its answers in turn, and repeats the last one. Time is in seconds. */
class Watch {
  polls: number[] = [];
  tokens: string[] = [];
  statuses: SyncStatus[] = [];
  estimate: JobEstimate | null | undefined;
  problems: SyncStatusProblem[] = [];
  mostInFlight = 0;
  ended = false;
  /** How many listeners it has. */
  listeners = 0;
  /** What it sees of a browser. */
  tab = Object.assign(this.#counting(new EventTarget()), { visibilityState: "visible" });
  window = this.#counting(new EventTarget());
  /** What the page does when it gets a status or a problem. */
  whenCalled = () => {};
  /** What `Math.random` gives. */
  chance = 0.5;
  controller = new AbortController();
  abort = () => this.controller.abort();
  pollNow = () => {};

  constructor(readonly clock: Clock, readonly answers: Answer[]) {}

  #counting(target: EventTarget): EventTarget {
    const { addEventListener, removeEventListener } = target;
    return Object.assign(target, {
      addEventListener: (...args: Parameters<typeof addEventListener>) => {
        this.listeners++;
        addEventListener.apply(target, args);
      },
      removeEventListener: (...args: Parameters<typeof removeEventListener>) => {
        this.listeners--;
        removeEventListener.apply(target, args);
      },
    });
  }

  async run(getToken: GetToken, check: (watch: Watch) => Promise<void>): Promise<void> {
    const { controller: { signal }, tab, window: { addEventListener, removeEventListener } } = this;
    this.#counting(signal);
    let inFlight = 0;
    Math.random = () => this.chance;
    Object.assign(globalThis, {
      document: tab,
      addEventListener,
      removeEventListener,
      fetch: async (_url: string, init: { headers: { Authorization: string }; signal: AbortSignal }) => {
        // The clock sets what is due at once a millisecond later.
        this.polls.push(Math.floor(performance.now() / 10) / 100);
        this.tokens.push(init.headers.Authorization);
        this.mostInFlight = Math.max(this.mostInFlight, ++inFlight);
        const answer = this.answers[Math.min(this.polls.length, this.answers.length) - 1] ?? failed;
        const response = await Promise.resolve(answer(init.signal)).finally(() => inFlight--);
        response.headers.set("Date", new Date(START + performance.now()).toUTCString());
        return response;
      },
    });
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
        this.whenCalled();
      },
    });
    this.pollNow = pollNow;
    void ended.then(() => this.ended = true);
    await this.pass(0);
    await check(this).finally(this.abort);
  }

  showTab(visible: boolean): void {
    this.tab.visibilityState = visible ? "visible" : "hidden";
    this.tab.dispatchEvent(new Event("visibilitychange"));
  }
  goOnline = () => void this.window.dispatchEvent(new Event("online"));

  async pass(seconds: number): Promise<void> {
    await this.clock.tickAsync(seconds * 1_000);
  }

  /** The waits that were reported with `unreachable`. */
  retries(): number[] {
    return this.problems.map((problem) => problem.kind === "unreachable" ? problem.retryInMs / 1_000 : NaN);
  }
}

function watching(
  sentence: string,
  answers: Answer[],
  check: (watch: Watch) => Promise<void>,
  getToken: GetToken = () => "token",
  /** How many seconds the machine's clock is ahead of the server's. */
  ahead = 0,
): void {
  testOnFakeClock(`watchSyncStatus ${sentence}`, START + ahead * 1_000, async (clock) => {
    await new Watch(clock, [...answers]).run(getToken, check);
  });
}

const since = (started_at: string | null) => active({ started_at });
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

for (const ahead of [180, -180, DAY, -DAY]) {
  const minutesOld = [since("2025-03-15T09:50:00Z")];
  watching(
    `tells a job's age by the server's clock if the machine's is ${ahead} s ahead`,
    minutesOld,
    async (watch) => {
      await watch.pass(60);
      assert.deepEqual([watch.polls.length, watch.estimate?.stalled], [10, false]);
      await watch.pass(HOUR);
      assert.equal(watch.estimate?.stalled, true);
    },
    undefined,
    ahead,
  );
}

let runs = false;
watching(
  "polls a pending job at most 4,000 times in 8 hours, often at first and once it runs",
  [(signal) => since(runs ? new Date().toISOString() : null)(signal)],
  async (watch) => {
    runs = false;
    await watch.pass(8 * HOUR);
    assert.deepEqual(watch.polls.slice(0, 3), [0, 2, 4]);
    assert(watch.polls.length <= 4_000, `${watch.polls.length}`);
    runs = true;
    await watch.pass(18);
    const [last = 0, before = 0] = watch.polls.toReversed();
    assert.equal(last - before, 2);
  },
);

watching("polls at most 45 times in an idle hour, and 150 times in eight", [idle], async (watch) => {
  for (const [hours, most] of [[1, 45], [7, 150]] as const) {
    await watch.pass(hours * HOUR);
    assert(watch.polls.length <= most, `${watch.polls.length}`);
  }
});

const another = json({ active: false, recent_job: job });
for (
  const [what, happens] of Object.entries<(watch: Watch) => void>({
    "the tab is shown": (watch) => [false, true].forEach((visible) => watch.showTab(visible)),
    "the network has returned": (watch) => watch.goOnline(),
    "pollNow is called": (watch) => watch.pollNow(),
    "another job has ended": (watch) => watch.answers.push(another),
  })
) {
  watching(
    `waits 5 minutes at most while nothing changes, and 30 s again if ${what}`,
    [idle],
    async (watch) => {
      watch.chance = 1;
      await watch.pass(2 * HOUR);
      const [last = 0, before = 0] = watch.polls.toReversed();
      assert.equal(Math.round(last - before), 300);
      watch.chance = 0.5;
      const { length } = watch.polls;
      happens(watch);
      await watch.pass(400);
      const [first = 0, second = 0] = watch.polls.slice(length);
      assert.equal(Math.round(second - first), 30);
    },
  );
}

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
    "a 500": failed,
    "a network error": () => Promise.reject(new TypeError("network")),
    "an answer that is not JSON": () => new Response("<html>"),
    "a 404 of a function that is not deployed": error(404),
    "a 401 of a gateway": error(401),
    "a 401 with another code": json({ error: "…", code: "UNAUTHORIZED_NO_AUTH_HEADER" }, 401),
    "a gateway's unauthorized": json({ code: "unauthorized" }, 401),
    "a JSON null": json(null),
    "a captive portal's JSON": json({ login: true }),
    "an active status without a job": json({ active: true }),
    "an idle status without a job": json({ active: false }),
    "an unauthorized that is no 401": error(511, "unauthorized"),
    "a forbidden that is no 403": error(511, "forbidden"),
    "a firewall's forbidden": json({ code: "forbidden" }, 403),
    "a status in a 502": json(IDLE, 502),
    "no answer within 15 s": never,
  })
) {
  watching(`reports unreachable for ${what}, and goes on`, [active(), fails, fails, idle], async (watch) => {
    await watch.pass(2);
    for (let failures = 1; failures <= 2; failures++) {
      if (fails === never) await watch.pass(15);
      assert.deepEqual(watch.problems.map(({ kind }) => kind), Array(failures).fill("unreachable"));
      assert.equal(watch.statuses.length, 1, "nothing was said of the status");
      await watch.pass(watch.retries().at(-1) ?? NaN);
    }
    assert.deepEqual(watch.statuses.at(-1), IDLE);
    assert.deepEqual([watch.polls.length, watch.mostInFlight], [4, 1]);
  }, (refused) => refused ? null : "token");
}

watching(
  "waits longer after each failure, by up to a random third more or less",
  [active(), failed],
  async (watch) => {
    await watch.pass(2 + 6 + 24 + 45);
    assert.deepEqual(watch.retries(), [6, 24, 45, 45]);
    for (const [chance, wait] of [[0, 30], [1, 60]] as const) {
      watch.chance = chance;
      await watch.pass(120);
      assert.equal(Math.round(watch.retries().at(-1) ?? NaN), wait);
    }
  },
);

watching(
  "asks again in 2 s if there is no token, later in 15 s, and polls nothing meanwhile",
  [idle],
  async (watch) => {
    await watch.pass(HOUR);
    const retries = watch.retries();
    assert.deepEqual([...retries.slice(0, 10), retries.at(-1)], [...Array(10).fill(2), 15]);
    assert.deepEqual(watch.polls, []);
  },
  () => Promise.reject(new TypeError("Auth is out of reach")),
);

watching("reports unreachable if there is no token after 15 s", [idle], async (watch) => {
  await watch.pass(15);
  assert.deepEqual(watch.retries(), [2]);
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
    watch.showTab(true);
    await watch.pass(38);
    assert.deepEqual(watch.polls, [0, 9, 39]);
    assert.equal(watch.mostInFlight, 1);
  },
);

/** Tokens that say how often one was refused. */
const nextToken = (refused?: string) => refused ? `${refused}+` : "token";
const refusals = [active(), unauthorized, active(), active(), unauthorized, active()];
watching("sends a token until it is refused, and the next one at once", refusals, async (watch) => {
  await watch.pass(6);
  assert.deepEqual(watch.tokens, ["", "", "+", "+", "+", "++"].map((pluses) => `Bearer token${pluses}`));
  assert.deepEqual(watch.polls, [0, 2, 2, 4, 6, 6]);
  assert.deepEqual(watch.problems, []);
}, nextToken);

watching(
  "reports unreachable if a new token is refused too, and asks for one a poll",
  [unauthorized],
  async (watch) => {
    await watch.pass(600);
    assert(watch.retries().every((retry) => retry > 0));
    assert.equal(watch.tokens.at(-1), `Bearer token${"+".repeat(watch.problems.length)}`);
  },
  nextToken,
);

const ends = [
  [
    "signed_out if there is no token after a refusal",
    "signed_out",
    unauthorized,
    1,
    (refused) => refused ? null : "token",
  ],
  ["signed_out without a poll if there is no token", "signed_out", idle, 0, () => null],
  ["forbidden on a 403", "forbidden", error(403, "forbidden"), 1, () => "token"],
] satisfies [string, string, Answer, number, GetToken][];
for (const [sentence, kind, answer, polls, getToken] of ends) {
  watching(`ends and reports ${sentence}`, [answer], async (watch) => {
    watch.pollNow();
    await watch.pass(600);
    assert.deepEqual(watch.problems, [{ kind }]);
    assert.equal(watch.polls.length, polls);
    leftNothing(watch);
  }, getToken);
}

/** Asserts that a watch has ended, without a timer or a listener. */
function leftNothing({ ended, clock, listeners }: Watch): void {
  assert.deepEqual([ended, clock.countTimers(), listeners], [true, 0, 0]);
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
  watching(`ends on abort ${when}, and reports nothing more`, [answer], async (watch) => {
    await watch.pass(3);
    abort(watch);
    await watch.pass(0);
    leftNothing(watch);
    const { length } = watch.polls;
    watch.pollNow();
    await watch.pass(60);
    assert.equal(watch.polls.length, length);
    assert.deepEqual(watch.problems, []);
  }, getToken);
}

const { addEventListener, removeEventListener } = globalThis;
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

const running = { started_at: "2025-03-15T09:55:00Z", last_activity_at: "2025-03-15T10:00:00Z" };
for (
  const [what, changes, callsPerSecond, secondsRemaining, stalled] of [
    ["the mean rate since the start, and the remaining time", {}, 2.5, 300, false],
    ["no remaining time without a total", { total_calls: null }, 2.5, null, false],
    ["no time remaining if the total was too low", { total_calls: 700 }, 2.5, 0, false],
    [
      "no rate before the first activity",
      { last_activity_at: null, started_at: "2025-03-15T09:58:01Z" },
      null,
      null,
      false,
    ],
    ["a stalled job two minutes after its start", { last_activity_at: null }, null, null, true],
  ] as const
) {
  watching(`estimates ${what}`, [active({ ...running, ...changes })], async (watch) => {
    await watch.pass(0);
    assert.deepEqual(watch.estimate, { callsPerSecond, secondsRemaining, stalled });
  });
}
