/**
 * A client of get-sync-status that polls no more than it has to: copy this
 * folder into a front end. Depends on nothing.
 *
 * Runs where `fetch` and `AbortController` are: Chrome 66, Firefox 57 and
 * Safari 12.1 or newer, once a bundler has translated the syntax, and Node.js
 * and Deno, where a tab never is hidden. The imports end in `.ts`, as Vite's
 * template allows; elsewhere set `allowImportingTsExtensions` in tsconfig.json.
 *
 * @module
 */

/// <reference lib="dom" />

import type { ActiveJob, SyncStatus } from "./types.ts";

/** What went wrong, and what becomes of the watch. */
export type SyncStatusProblem =
  /** The service did not answer as it should; the last status still stands, and the watch goes on. */
  | { kind: "unreachable"; retryInMs: number }
  /** The session is over, and refreshing it did not help; the watch has ended. */
  | { kind: "signed_out" }
  /** The user belongs to no agency; the watch has ended. */
  | { kind: "forbidden" };

export interface WatchSyncStatusOptions {
  /** The function's address, `https://<ref>.supabase.co/functions/v1/get-sync-status`. */
  url: string;
  /**
   * Gives the access token, a fresh one where `refresh` is true; null where nobody is signed in.
   * Where Auth is out of reach it may wait or reject; that does not end the watch.
   * With supabase-js: `accessTokenFrom(supabase.auth)` of access_token.ts.
   * It is not called again while it is under way.
   */
  getAccessToken(options: { refresh: boolean }): Promise<string | null>;
  /** Ends the watch, and the poll that is under way. */
  signal: AbortSignal;
  /** Told each status. What it throws goes to `reportError`, and the watch goes on. */
  onStatus(status: SyncStatus): void;
  /** Told each problem. What it throws goes to `reportError`, and the watch goes on. */
  onError(problem: SyncStatusProblem): void;
}

const SECOND = 1_000;

/**
 * How long a page waits, in milliseconds: what open pages ask for together is
 * decided here alone. docs/performance.md has it in figures.
 */
export const INTERVALS = {
  /** Between two polls of an active job: a hundredth of its age, within these bounds. */
  active: { shortest: 2 * SECOND, longest: 15 * SECOND },
  /** Between two polls while no job is active. */
  idle: 30 * SECOND,
  /** An ordinary wait is longer or shorter by up to this share, so that pages that begin together do not poll together. */
  spread: 0.2,
  /** A wait after a failure, at most. */
  retry: 60 * SECOND,
  /** How many times the ordinary wait the first wait after a failure may be, and each further one the one before. */
  growth: 4,
  /** Between two polls at least, where somebody asks for one at once. */
  hurry: 2 * SECOND,
};

/** How long the function or Auth may take: the function answers within 10 s. */
const ANSWER_MS = 15 * SECOND;

/** A job without activity for so long has probably lost its worker. */
const STALLED_MS = 120 * SECOND;

type Outcome = { status: SyncStatus } | "unauthorized" | "forbidden" | "unreachable";

/** A watch that runs. */
export interface SyncStatusWatch {
  /** Resolves when the watch has ended, at once after an abort; never rejects. */
  ended: Promise<void>;
  /**
   * Asks for a poll now, for example after the user has started an import. It
   * leaves 2 s after the poll before at the soonest, and never beside one that is
   * under way. Several calls make one poll. In a hidden tab it waits until the tab is shown.
   */
  pollNow(): void;
}

/**
 * Polls until it is aborted, the session is over or the user has no agency.
 *
 * One poll at a time. While a job is active: every 2 s, slower as it gets long
 * (a hundredth of its age, up to 15 s). While none is: every 30 s. Never while
 * the tab is hidden; at once when it is shown again. Each wait is a fifth longer
 * or shorter by chance.
 *
 * After a failure it waits longer than ordinarily: up to four times as long,
 * then four times that, and a minute at most, less a random part of up to a
 * half. So pages ask for less during an outage, and come back one after the
 * other.
 */
export function watchSyncStatus(options: WatchSyncStatusOptions): SyncStatusWatch {
  const timer = pollTimer(options.signal);
  return { ended: watch(options, timer), pollNow: timer.hurry };
}

async function watch(
  { url, getAccessToken, signal, onStatus, onError }: WatchSyncStatusOptions,
  timer: PollTimer,
): Promise<void> {
  const tell = (problem: SyncStatusProblem) => callBack(() => onError(problem));
  let interval = INTERVALS.active.shortest;
  let failures = 0;
  /** Whether the next token has to be a fresh one. */
  let refresh = false;
  /** The token that the last refresh gave: where that one is refused, the session is over. */
  let refreshed: string | null | undefined;
  /** The request for a token that is under way: there is one at a time, however long it hangs. */
  let asked: Promise<string | null> | undefined;

  await timer.wait(0);
  while (!signal.aborted) {
    const token = await inTime(ANSWER_MS, signal, () => {
      return asked ??= (async () => await getAccessToken({ refresh }))().finally(() => asked = undefined);
    });
    if (token === undefined) {
      const renews = refresh;
      // When it comes after all, it is used as any other, and nothing is to be waited for.
      asked?.then((token) => {
        if (renews) [refresh, refreshed] = [false, token];
        timer.endWait();
      }, () => {});
    } else if (refresh) [refresh, refreshed] = [false, token];
    // Where Auth is out of reach that says nothing of the session: a refresh is still due.
    const outcome = token === undefined ? "unreachable" : await poll(url, token, signal);
    if (signal.aborted) return;

    if (outcome === "forbidden") return tell({ kind: "forbidden" });
    if (outcome === "unauthorized") {
      if (token === refreshed) return tell({ kind: "signed_out" });
      refresh = true;
      await timer.wait(0);
      continue;
    }
    refreshed = undefined;
    if (outcome === "unreachable") {
      const longest = Math.min(INTERVALS.retry, interval * INTERVALS.growth ** ++failures);
      const retryInMs = longest * (1 - Math.random() / 2);
      tell({ kind: "unreachable", retryInMs });
      await timer.wait(retryInMs);
      continue;
    }
    failures = 0;
    callBack(() => onStatus(outcome.status));
    interval = intervalOf(outcome.status);
    await timer.wait(interval * (1 + INTERVALS.spread * (2 * Math.random() - 1)));
  }
}

async function poll(url: string, token: string | null, signal: AbortSignal): Promise<Outcome> {
  if (!token) return "unauthorized";
  const outcome = await inTime(ANSWER_MS, signal, async (signal) => {
    const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` }, signal });
    return outcomeOf(response.status, await response.json());
  });
  return outcome ?? "unreachable";
}

/**
 * Reads an answer by its status and its body together: a captive portal, a
 * firewall or a gateway in the function's place sends one or the other, and must
 * not end the watch.
 */
function outcomeOf(status: number, body: unknown): Outcome {
  if (!isRecord(body)) return "unreachable";
  if (status === 200 && isSyncStatus(body)) return { status: body };
  if (typeof body.error !== "string") return "unreachable";
  if (status === 401 && body.code === "unauthorized") return "unauthorized";
  if (status === 403 && body.code === "forbidden") return "forbidden";
  return "unreachable";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isSyncStatus(body: Record<string, unknown>): body is SyncStatus {
  return body.active === true
    ? isRecord(body.job)
    : body.active === false && (body.recent_job === null || isRecord(body.recent_job));
}

function intervalOf(status: SyncStatus): number {
  const { active, idle } = INTERVALS;
  if (!status.active) return idle;
  const age = Date.now() - Date.parse(status.job.started_at ?? "");
  return Math.min(active.longest, Math.max(active.shortest, (age || 0) / 100));
}

/** What a caller's own function throws is the caller's to see, and does not end the watch. */
function callBack(call: () => void): void {
  try {
    call();
  } catch (error) {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  }
}

/**
 * Runs a task that may hang; aborts the signal that it is given when time is up or the watch is aborted.
 *
 * @returns what the task gives; undefined where it rejects, or was not ready by then
 */
function inTime<Result>(
  ms: number,
  signal: AbortSignal,
  task: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | undefined> {
  // By hand: AbortSignal.any and AbortSignal.timeout are missing in browsers that are still in use.
  const end = new AbortController();
  return new Promise((resolve) => {
    const settle = (result?: Result) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      resolve(result);
    };
    const giveUp = () => {
      settle();
      end.abort();
    };
    const timer = setTimeout(giveUp, ms);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    else (async () => await task(end.signal))().then(settle, () => settle());
  });
}

/** Says when a poll is due. */
interface PollTimer {
  /**
   * Resolves after so many milliseconds, and not while the tab is hidden;
   * sooner when the tab is shown again or a poll was asked for; at once when the
   * watch is aborted.
   */
  wait(ms: number): Promise<void>;
  /** Asks for a poll at once. */
  hurry(): void;
  /** Ends the wait at hand, if there is one. */
  endWait(): void;
}

function pollTimer(signal: AbortSignal): PollTimer {
  const tab = globalThis.document;
  const hidden = () => tab?.visibilityState === "hidden";
  let lastPollAt = -Infinity;
  /** Whether a poll was asked for since the last one left. */
  let hurried = false;
  /** Ends the wait at hand; none is while a poll is under way. */
  let endSoon: (() => void) | undefined;
  return {
    wait: (ms) =>
      new Promise((resolve) => {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const settle = () => {
          clearTimeout(timer);
          tab?.removeEventListener("visibilitychange", onVisibility);
          signal.removeEventListener("abort", settle);
          endSoon = undefined;
          hurried = false;
          lastPollAt = performance.now();
          resolve();
        };
        const endIn = (ms: number) => {
          clearTimeout(timer);
          if (ms > 0) timer = setTimeout(() => endIn(0), ms);
          else if (!hidden()) settle();
        };
        endSoon = () => endIn(lastPollAt + INTERVALS.hurry - performance.now());
        const onVisibility = () => hidden() || endSoon?.();
        tab?.addEventListener("visibilitychange", onVisibility);
        signal.addEventListener("abort", settle);
        if (signal.aborted) settle();
        else if (hurried) endSoon();
        else endIn(ms);
      }),
    hurry() {
      hurried = true;
      endSoon?.();
    },
    endWait: () => endSoon?.(),
  };
}

/** What people ask of an active job, and the endpoint deliberately does not send. */
export interface JobOutlook {
  /** Calls per second; null until it can be told. */
  callsPerSecond: number | null;
  /** Seconds until the last call is processed at that rate; null until it can be told, and while the job is stalled. */
  secondsRemaining: number | null;
  /** True when the job seems to have lost its worker. */
  stalled: boolean;
}

/**
 * Derives what an active job's numbers say of its future.
 *
 * - Rate: `processed_calls` over the time from `started_at` to
 *   `last_activity_at`, the mean since the start. Both are the server's clock.
 * - Time remaining: the calls that are left at that rate; unknown while
 *   `total_calls` is, or the job is stalled.
 * - Stalled: in progress, and no activity for two minutes by this machine's
 *   clock. A pending job has nothing to be active with, and is not stalled.
 *
 * @param now milliseconds since 1970
 */
export function outlookOf(job: ActiveJob, now: number = Date.now()): JobOutlook {
  const startedAt = job.started_at ? Date.parse(job.started_at) : NaN;
  const lastActivityAt = job.last_activity_at ? Date.parse(job.last_activity_at) : NaN;
  const seconds = (lastActivityAt - startedAt) / SECOND;
  const callsPerSecond = seconds > 0 && job.processed_calls > 0 ? job.processed_calls / seconds : null;
  const left = job.total_calls === null ? null : Math.max(0, job.total_calls - job.processed_calls);
  const lastSign = Number.isNaN(lastActivityAt) ? startedAt : lastActivityAt;
  const stalled = job.status === "in_progress" && now - lastSign > STALLED_MS;
  return {
    callsPerSecond,
    secondsRemaining: callsPerSecond !== null && left !== null && !stalled ? left / callsPerSecond : null,
    stalled,
  };
}
