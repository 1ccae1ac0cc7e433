/**
 * A client of get-sync-status that polls no more than it has to: copy this folder into a front end. It depends
 * on nothing. Bundled, it runs in browsers, React Native and Node.js 20.
 */

/// <reference lib="dom" />

import { inTime } from "./in_time";
import type { ActiveJob, SyncStatus } from "./types";

/** What went wrong; only after `unreachable` the watch goes on. */
export type SyncStatusProblem =
  /** The service or Auth did not answer as it should; the last status still stands. */
  | { kind: "unreachable"; retryInMs: number }
  /** The user belongs to no agency. */
  | { kind: "forbidden" }
  /** The session is over. Call `forgetSession`: `signOut` ends the session of whoever is signed in by now. */
  | { kind: "signed_out" };

/** What an active job's numbers say of its future. */
export interface JobEstimate {
  /** The mean since the start; null until it is known. */
  callsPerSecond: number | null;
  /** Until the last call is processed at that rate; null until it is known, and while the job is stalled. */
  secondsRemaining: number | null;
  /** Whether the job has probably lost its worker: no activity for two minutes by the server's clock. */
  stalled: boolean;
}

/** What a watch needs. What a callback throws is an unhandled rejection, after which the watch goes on. */
export interface WatchSyncStatusOptions {
  /** The function's address, `https://<ref>.supabase.co/functions/v1/get-sync-status`. */
  url: string;
  /** Gives an access token other than `refused`, null if the session is over; rejects if neither is known. */
  getAccessToken(refused?: string): Promise<string | null>;
  /** Ends the poll that is under way, and the watch. */
  signal: AbortSignal;
  /** `estimate` is null while no job is active. */
  onStatus(status: SyncStatus, estimate: JobEstimate | null): void;
  onError(problem: SyncStatusProblem): void;
}

export interface SyncStatusWatch {
  /** Resolves when the watch has ended, at once after an abort; never rejects. */
  ended: Promise<void>;
  /** Asks for a poll, for example after the user has started an import. Several calls make one poll. */
  pollNow(): void;
}

const SECOND = 1_000;

/**
 * Change here how often open pages poll. A wait is a share of the time since the job's start or the last change,
 * within bounds, and longer or shorter by up to `spread`, by chance: pages must not poll all at once.
 */
const INTERVALS = {
  active: { share: 0.01, shortest: 2 * SECOND, longest: 15 * SECOND, spread: 0.2 },
  idle: { share: 0.1, shortest: 30 * SECOND, longest: 260 * SECOND, spread: 0.15 },
  failed: { share: 3, shortest: 3 * SECOND, longest: 45 * SECOND, spread: 1 / 3 },
  /** Nothing is sent: supabase-js decides when it asks Auth. */
  noToken: { share: 0.1, shortest: 2 * SECOND, longest: 15 * SECOND, spread: 0 },
};

function wait(kind: keyof typeof INTERVALS, elapsed: number): number {
  const { share, shortest, longest, spread } = INTERVALS[kind];
  const ms = Math.min(longest, Math.max(shortest, elapsed * share));
  return ms * (1 + spread * (2 * Math.random() - 1));
}

/** What a poll comes to; `at` is the server's time in milliseconds since 1970. */
type Outcome =
  | { kind: "status"; status: SyncStatus; at: number }
  | { kind: "unauthorized" | "forbidden" | "signed_out" | "unreachable" };

/** Asks once. A firewall or a gateway may answer with the function's status or with its body, hardly with both. */
async function ask(url: string, token: string, signal: AbortSignal): Promise<Outcome> {
  const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` }, signal });
  const { active, job, recent_job, error, code } = await response.json();
  if (response.status === 200) {
    // The machine's clock may be days off.
    const at = Date.parse(response.headers.get("Date") ?? "") || Date.now();
    if (active === true && job?.id) return { kind: "status", status: { active, job }, at };
    const isIdle = active === false && (recent_job === null || recent_job?.id);
    if (isIdle) return { kind: "status", status: { active, recent_job }, at };
  }
  if (response.status === 401 && error && code === "unauthorized") return { kind: code };
  if (response.status === 403 && error && code === "forbidden") return { kind: code };
  return { kind: "unreachable" };
}

function estimate(job: ActiveJob, at: number): JobEstimate {
  const startedAt = Date.parse(job.started_at ?? "");
  const lastActivityAt = Date.parse(job.last_activity_at ?? "");
  const seconds = (lastActivityAt - startedAt) / SECOND;
  const callsPerSecond = seconds > 0 && job.processed_calls > 0 ? job.processed_calls / seconds : null;
  const stalled = job.status === "in_progress" && at - (lastActivityAt || startedAt) > 120 * SECOND;
  if (callsPerSecond === null || job.total_calls === null || stalled) {
    return { callsPerSecond, secondsRemaining: null, stalled };
  }
  // Totals may be estimates: more may have been processed.
  const callsLeft = Math.max(0, job.total_calls - job.processed_calls);
  return { callsPerSecond, secondsRemaining: callsLeft / callsPerSecond, stalled };
}

/**
 * Polls until it is aborted, the session is over or the user has no agency: one poll at a time, at most once in 2 s,
 * at the {@link INTERVALS}, never in a hidden tab, and soon when it is shown or the network has returned.
 *
 * A token is used until the function refuses it; the machine's clock is not asked.
 */
export function watchSyncStatus(options: WatchSyncStatusOptions): SyncStatusWatch {
  const { url, getAccessToken, signal, onStatus, onError } = options;
  const tab = globalThis.document;
  const now = () => performance.now();
  const over = new AbortController();
  const ended = new Promise<void>((resolve) => over.signal.addEventListener("abort", () => resolve()));

  let timer: ReturnType<typeof setTimeout> | undefined;
  let isPolling = false;
  let lastPollAt = -Infinity;
  let dueAt = Infinity;
  let token: string | undefined;
  let refused: string | undefined;
  let lastStatus: string | undefined;
  let changedAt = now();

  async function poll() {
    isPolling = true;
    lastPollAt = now();
    dueAt = Infinity;
    const outcome = await pollOnce().catch((): Outcome => ({ kind: "unreachable" }));
    isPolling = false;
    if (over.signal.aborted) return;
    // The callbacks come last: what they throw does not end the watch.
    if (outcome.kind === "status") {
      const { status, at } = outcome;
      pollWithin(waitAfter(status, at));
      return onStatus(status, status.active ? estimate(status.job, at) : null);
    }
    if (outcome.kind === "forbidden" || outcome.kind === "signed_out") {
      end();
      return onError({ kind: outcome.kind });
    }
    const retryInMs = wait(token ? "failed" : "noToken", now() - changedAt);
    pollWithin(retryInMs);
    onError({ kind: "unreachable", retryInMs });
  }

  async function pollOnce(): Promise<Outcome> {
    const outcome = await send();
    if (outcome.kind !== "unauthorized") return outcome;
    refused = token;
    token = undefined;
    // If a fresh token is refused too, that is unreachable, and no sign-out.
    return await send();
  }

  async function send(): Promise<Outcome> {
    const sent = token ?? await inTime(over.signal, () => getAccessToken(refused));
    if (sent === null) return { kind: "signed_out" };
    token = sent;
    return await inTime(over.signal, (signal) => ask(url, sent, signal));
  }

  function waitAfter(status: SyncStatus, at: number): number {
    const text = JSON.stringify(status);
    if (text !== lastStatus) changedAt = now();
    lastStatus = text;
    const unchanged = now() - changedAt;
    if (!status.active) return wait("idle", unchanged);
    const age = at - Date.parse(status.job.started_at ?? "");
    // A pending job has no start.
    return wait("active", Number.isNaN(age) ? unchanged : age);
  }

  function pollWithin(ms: number) {
    dueAt = Math.min(dueAt, now() + ms);
    clearTimeout(timer);
    if (isPolling || over.signal.aborted || tab?.visibilityState === "hidden") return;
    const left = Math.max(dueAt, lastPollAt + 2 * SECOND) - now();
    if (left > 0) timer = setTimeout(poll, left);
    else void poll();
  }

  /** The waits are short again. */
  function pollAnew(ms: number) {
    changedAt = now();
    pollWithin(ms);
  }
  const pollNow = () => pollAnew(0);
  const onOnline = () => pollAnew(4 * SECOND * Math.random());

  function end() {
    over.abort();
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
    tab?.removeEventListener?.("visibilitychange", pollNow);
    globalThis.removeEventListener?.("online", onOnline);
  }
  signal.addEventListener("abort", end);
  // Hiding the tab ends the wait, and showing it polls. Only browsers have these events.
  tab?.addEventListener?.("visibilitychange", pollNow);
  globalThis.addEventListener?.("online", onOnline);
  if (signal.aborted) end();
  else pollNow();
  return { ended, pollNow };
}
