/**
 * A client of get-sync-status that polls no more than it has to: copy this folder into a front end. Depends on
 * nothing. Runs in all browsers' versions since March 2024 (`AbortSignal.any`), on Deno and on Node.js 22 or newer.
 */

/// <reference lib="dom" />

import type { ActiveJob, ErrorBody, SyncStatus } from "./types.ts";

/** What went wrong. */
export type SyncStatusProblem =
  /** The service or Auth did not answer as it should; the last status still stands, and the watch goes on. */
  | { kind: "unreachable"; retryInMs: number }
  /** The user belongs to no agency; the watch has ended. */
  | { kind: "forbidden" }
  /**
   * The user's session is over, or another user's has taken its place; the watch has ended. Then call
   * `forgetSession` of access_token.ts, since supabase-js may still hold the session that is over. Do not call
   * `signOut` alone: it ends the session of whoever is signed in by now.
   */
  | { kind: "signed_out" };

/** How a poll went. `sent` is false if there was no token to send. */
export type PollOutcome =
  | { kind: "status"; status: SyncStatus }
  | { kind: "unreachable"; sent: boolean }
  | Exclude<SyncStatusProblem, { kind: "unreachable" }>;

/** What a poll needs. */
export interface PollOptions {
  /** The function's address, `https://<ref>.supabase.co/functions/v1/get-sync-status`. */
  url: string;
  /**
   * Gives the access token, a fresh one if `refresh` is true, and null if the session is over. It rejects
   * if that is not known. With supabase-js: `accessTokenFrom(supabase.auth, userId)` of access_token.ts.
   */
  getAccessToken(options: { refresh: boolean }): Promise<string | null>;
  /** Ends the poll that is under way, and the watch. */
  signal: AbortSignal;
}

/** What a watch needs. What a callback throws is an unhandled rejection; in a browser the watch goes on. */
export interface WatchSyncStatusOptions extends PollOptions {
  onStatus(status: SyncStatus): void;
  onError(problem: SyncStatusProblem): void;
}

const SECOND = 1_000;

/** How long a page waits, in milliseconds. Only this decides what open pages ask for together. */
export const INTERVALS = {
  /** Between two polls of an active job: a hundredth of its age, within these bounds. */
  active: { shortest: 2 * SECOND, longest: 15 * SECOND },
  /** Between two polls while no job is active. */
  idle: 30 * SECOND,
  /** Such a wait is longer or shorter by up to this share, by chance: pages must not poll all at once. */
  spread: 0.2,
  /** After each failure the wait is multiplied by this. Then a random part, at most half of it, is subtracted. */
  growth: 4,
  /** The longest wait after a failed poll. */
  retry: 60 * SECOND,
  /** The same without a token: supabase-js sends nothing for a minute after a failure, so asking it is free. */
  retryToken: 15 * SECOND,
  /** The longest wait after the network has returned. */
  online: 4 * SECOND,
  /** The shortest wait if somebody asks for a poll at once. */
  hurry: 2 * SECOND,
};

/**
 * Polls once. If the function refuses the token, it is refreshed and sent once more.
 *
 * @throws the signal's reason once that is aborted, and nothing else
 */
export async function pollSyncStatus({ url, getAccessToken, signal }: PollOptions): Promise<PollOutcome> {
  let sent = false;
  try {
    for (const refresh of [false, true]) {
      const token = await inTime(signal, () => getAccessToken({ refresh }));
      if (!token) break;
      sent = true;
      const headers = { Authorization: `Bearer ${token}` };
      const outcome = await inTime(signal, (signal) => fetch(url, { headers, signal }).then(readAnswer));
      if (outcome !== "unauthorized") return outcome;
    }
    return { kind: "signed_out" };
  } catch {
    signal.throwIfAborted();
    return { kind: "unreachable", sent };
  }
}

/** What a task gives; rejects after 15 s, or once the signal is aborted. The function answers within 10 s. */
function inTime<Result>(signal: AbortSignal, task: (signal: AbortSignal) => Promise<Result>) {
  signal.throwIfAborted();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(15 * SECOND)]);
  const result = task(limit);
  const end = new Promise<never>((_, reject) => limit.addEventListener("abort", () => reject(limit.reason)));
  return Promise.race([result, end]);
}

/** By status and body together: a firewall or a gateway in the function's place sends one or the other. */
async function readAnswer(response: Response): Promise<PollOutcome | "unauthorized"> {
  const body: SyncStatus | ErrorBody = await response.json();
  if (response.status === 200 && "active" in body) return { kind: "status", status: body };
  const code = "error" in body && body.code;
  if (response.status === 401 && code === "unauthorized") return code;
  if (response.status === 403 && code === "forbidden") return { kind: code };
  return { kind: "unreachable", sent: true };
}

/**
 * Gives a function that takes the outcome of each poll, in order, and says how many milliseconds to wait before
 * the next; Infinity if there is none. A job that waits for its turn is as old as the first outcome with it.
 */
export function pacePolls(): (outcome: PollOutcome) => number {
  let interval = INTERVALS.active.shortest;
  let seen = { id: "", at: 0 };
  return (outcome) => {
    if (outcome.kind === "unreachable") {
      const longest = outcome.sent ? INTERVALS.retry : INTERVALS.retryToken;
      interval = Math.min(longest, interval * INTERVALS.growth);
      return interval * (1 - Math.random() / 2);
    }
    if (outcome.kind !== "status") return Infinity;
    interval = INTERVALS.idle;
    if (outcome.status.active) {
      const { id, started_at } = outcome.status.job;
      if (seen.id !== id) seen = { id, at: Date.now() };
      const age = Date.now() - (Date.parse(started_at ?? "") || seen.at);
      interval = Math.min(INTERVALS.active.longest, Math.max(INTERVALS.active.shortest, age / 100));
    }
    return interval * (1 + INTERVALS.spread * (2 * Math.random() - 1));
  };
}

/** A watch that runs. */
export interface SyncStatusWatch {
  /** Resolves when the watch has ended, at once after an abort; never rejects. */
  ended: Promise<void>;
  /**
   * Asks for a poll now, for example after the user has started an import. Several calls make one poll. It
   * starts at least 2 s after the last poll began, never during one; in a hidden tab, once the tab is shown.
   */
  pollNow(): void;
}

/**
 * Polls until it is aborted, the session is over or the user has no agency.
 *
 * One poll at a time, at the {@link INTERVALS}: often while a job is young, less often as it gets old, while none
 * is active, and after failures. Never while the tab is hidden. When the tab is shown again or the network has
 * returned, it polls soon; if a poll is under way, after that one.
 */
export function watchSyncStatus(options: WatchSyncStatusOptions): SyncStatusWatch {
  const { onStatus, onError } = options;
  const end = new AbortController();
  const signal = AbortSignal.any([options.signal, end.signal]);
  const tab = globalThis.document;
  const pace = pacePolls();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let polling = false;
  // By performance.now().
  let [leftAt, dueAt] = [-Infinity, Infinity];

  async function poll() {
    polling = true;
    leftAt = performance.now();
    dueAt = Infinity;
    const outcome = await pollSyncStatus({ ...options, signal }).catch(() => null);
    polling = false;
    if (!outcome || signal.aborted) return;
    const ms = pace(outcome);
    if (ms === Infinity) end.abort();
    else pollWithin(ms);
    // Last: what a callback throws does not end the watch.
    if (outcome.kind === "status") onStatus(outcome.status);
    else onError(outcome.kind === "unreachable" ? { kind: outcome.kind, retryInMs: ms } : outcome);
  }
  function pollWithin(ms: number) {
    dueAt = Math.min(dueAt, performance.now() + ms);
    clearTimeout(timer);
    if (polling || signal.aborted || tab?.visibilityState === "hidden") return;
    const left = Math.max(dueAt, leftAt + INTERVALS.hurry) - performance.now();
    if (left > 0) timer = setTimeout(poll, left);
    else void poll();
  }
  const pollNow = () => pollWithin(0);

  // Hiding the tab ends the wait, so that showing it polls. Node.js has none of these events.
  tab?.addEventListener("visibilitychange", pollNow, { signal });
  globalThis.addEventListener?.("online", () => pollWithin(INTERVALS.online * Math.random()), { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
  pollNow();
  return { ended, pollNow };
}

/** What people ask of an active job, and the endpoint deliberately does not send. */
export interface JobOutlook {
  /** The mean since the start, by the server's clock; null until it is known. */
  callsPerSecond: number | null;
  /** Until the last call is processed at that rate; null until it is known, and while the job is stalled. */
  secondsRemaining: number | null;
  /** Whether the job has probably lost its worker: no activity for two minutes by this machine's clock. */
  stalled: boolean;
}

/** Derives what an active job's numbers say of its future; `now` is in milliseconds since 1970. */
export function deriveOutlook(job: ActiveJob, now: number = Date.now()): JobOutlook {
  const startedAt = Date.parse(job.started_at ?? "");
  const lastActivityAt = Date.parse(job.last_activity_at ?? "");
  const seconds = (lastActivityAt - startedAt) / SECOND;
  const callsPerSecond = seconds > 0 && job.processed_calls > 0 ? job.processed_calls / seconds : null;
  const stalled = job.status === "in_progress" && now - (lastActivityAt || startedAt) > 120 * SECOND;
  const secondsRemaining = callsPerSecond === null || job.total_calls === null || stalled
    ? null
    : Math.max(0, job.total_calls - job.processed_calls) / callsPerSecond;
  return { callsPerSecond, secondsRemaining, stalled };
}
