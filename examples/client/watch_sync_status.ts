/**
 * A client of get-sync-status that polls no more than it has to: copy this
 * folder into a front end. Depends on nothing.
 *
 * Runs where `fetch` and `AbortController` are: Chrome 66, Firefox 57 and
 * Safari 12.1 or newer, once a bundler has translated the syntax, and Node.js
 * and Deno, where a tab never is hidden.
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
   * Rejects where Auth is out of reach; that does not end the watch.
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

/** How often a job is polled that has just begun, and one that takes hours. */
const ACTIVE_MS = { shortest: 2 * SECOND, longest: 15 * SECOND };

/** How often it is looked whether a new job has begun. */
const IDLE_MS = 30 * SECOND;

/** The waits after failures: doubled with each, up to the longest. */
const RETRY_MS = { shortest: 2 * SECOND, longest: 60 * SECOND };

/** The function answers within 10 s; what has not come by then never will. */
const ANSWER_MS = 15 * SECOND;

/** How long Auth may take for a token: supabase-js retries a refresh for up to 30 s. */
const TOKEN_MS = 45 * SECOND;

/** A job without activity for so long has probably lost its worker. */
const STALLED_MS = 120 * SECOND;

type Outcome = { status: SyncStatus } | "unauthorized" | "forbidden" | "unreachable";

/**
 * Polls until it is aborted, the session is over or the user has no agency.
 *
 * One poll at a time: every 2 s while a job is active, slower as it gets long
 * (a hundredth of its age, up to 15 s); every 30 s while none is; never while
 * the tab is hidden, at once when it is shown again. After a failure it waits
 * 2 s, 4 s and so on up to a minute, less a random part so that pages do not
 * come back all at once.
 *
 * @returns a promise that resolves when the watch has ended, at once after an abort; it never rejects
 */
export async function watchSyncStatus(
  { url, getAccessToken, signal, onStatus, onError }: WatchSyncStatusOptions,
): Promise<void> {
  const tell = (problem: SyncStatusProblem) => callBack(() => onError(problem));
  let failures = 0;
  /** Whether the next token has to be a fresh one. */
  let refresh = false;
  /** The token that the last refresh gave: where that one is refused, the session is over. */
  let refreshed: string | null | undefined;
  /** The request for a token that is under way: there is one at a time, however long it hangs. */
  let asked: Promise<string | null> | undefined;

  while (!signal.aborted) {
    await pause(0, signal);
    const token = await inTime(TOKEN_MS, signal, () => {
      return asked ??= (async () => await getAccessToken({ refresh }))().finally(() => asked = undefined);
    });
    if (refresh && token !== undefined) {
      refresh = false;
      refreshed = token;
    }
    // Where Auth is out of reach that says nothing of the session: a refresh is still due.
    const outcome = token === undefined ? "unreachable" : await poll(url, token, signal);
    if (signal.aborted) return;

    if (outcome === "forbidden") return tell({ kind: "forbidden" });
    if (outcome === "unauthorized") {
      if (token === refreshed) return tell({ kind: "signed_out" });
      refresh = true;
      continue;
    }
    refreshed = undefined;
    if (outcome === "unreachable") {
      const retryInMs = Math.min(RETRY_MS.longest, RETRY_MS.shortest * 2 ** failures++) *
        (1 - Math.random() / 2);
      tell({ kind: "unreachable", retryInMs });
      await pause(retryInMs, signal);
      continue;
    }
    failures = 0;
    callBack(() => onStatus(outcome.status));
    await pause(intervalOf(outcome.status), signal);
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
  if (!status.active) return IDLE_MS;
  const age = Date.now() - Date.parse(status.job.started_at ?? "");
  return Math.min(ACTIVE_MS.longest, Math.max(ACTIVE_MS.shortest, (age || 0) / 100));
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

/**
 * Resolves after so long, sooner when a hidden tab is shown again, and not
 * while it is hidden; at once when the watch is aborted.
 */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const tab = globalThis.document;
  const hidden = () => tab?.visibilityState === "hidden";
  return new Promise((resolve) => {
    const settle = () => {
      clearTimeout(timer);
      tab?.removeEventListener("visibilitychange", onVisibility);
      signal.removeEventListener("abort", settle);
      resolve();
    };
    const onVisibility = () => hidden() || settle();
    const timer = setTimeout(() => hidden() || settle(), ms);
    tab?.addEventListener("visibilitychange", onVisibility);
    signal.addEventListener("abort", settle);
    if (signal.aborted || (ms === 0 && !hidden())) settle();
  });
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
