/**
 * A client of get-sync-status that polls no more than it has to: copy this folder into a front end. It depends
 * on nothing, and runs in browsers, React Native, Deno and Node.js 20.
 */

/// <reference lib="dom" />

import { inTime } from "./in_time";
import type { ActiveJob, SyncStatus } from "./types";

/** What went wrong. */
export type SyncStatusProblem =
  /** The service or Auth did not answer as it should; the last status still stands, and the watch goes on. */
  | { kind: "unreachable"; retryInMs: number }
  /** The user belongs to no agency; the watch has ended. */
  | { kind: "forbidden" }
  /**
   * The user's session is over, or another user's has taken its place; the watch has ended. Call
   * `forgetSession` then; `signOut` would end the session of whoever is signed in by now.
   */
  | { kind: "signed_out" };

/** What people ask of an active job, and the endpoint deliberately does not send. */
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
  /**
   * Gives the access token, another one than `refused`, or null if the session is over; rejects if that is not
   * known. With supabase-js: `accessTokenFrom(supabase.auth, userId)` of access_token.ts.
   */
  getAccessToken(refused?: string): Promise<string | null>;
  /** Ends the poll that is under way, and the watch. */
  signal: AbortSignal;
  /** `estimate` is null while no job is active. */
  onStatus(status: SyncStatus, estimate: JobEstimate | null): void;
  onError(problem: SyncStatusProblem): void;
}

/** A watch that runs. */
export interface SyncStatusWatch {
  /** Resolves when the watch has ended, at once after an abort; never rejects. */
  ended: Promise<void>;
  /**
   * Asks for a poll, for example after the user has started an import. Several calls make one. It starts 2 s
   * after the last poll began or later, never during one; in a hidden tab, once the tab is shown.
   */
  pollNow(): void;
}

const SECOND = 1_000;

/**
 * Change here how often open pages poll. A wait is a share of the time since something began, within bounds, and
 * then longer or shorter by up to `spread`, by chance: pages must not poll all at once.
 */
const INTERVALS = {
  /** While a job is active, since its start. */
  active: { share: 0.01, shortest: 2 * SECOND, longest: 15 * SECOND, spread: 0.2 },
  /** While none is, since the last change. */
  idle: { share: 0.1, shortest: 30 * SECOND, longest: 260 * SECOND, spread: 0.15 },
  /** After a failed poll, since the last status. */
  failed: { share: 3, shortest: 3 * SECOND, longest: 45 * SECOND, spread: 1 / 3 },
  /** The same without a token: nothing is sent, and supabase-js decides when it asks Auth. */
  noToken: { share: 0.1, shortest: 2 * SECOND, longest: 15 * SECOND, spread: 0 },
};

function wait(kind: keyof typeof INTERVALS, elapsed: number): number {
  const { share, shortest, longest, spread } = INTERVALS[kind];
  const ms = Math.min(longest, Math.max(shortest, elapsed * share));
  return ms * (1 + spread * (2 * Math.random() - 1));
}

/** What a poll comes to, and the server's time in milliseconds since 1970. */
type Outcome =
  | { kind: "status"; status: SyncStatus; at: number }
  | { kind: "unauthorized" | "forbidden" | "signed_out" | "unreachable" };

/** Asks once. A firewall or a gateway in the function's place may send its status or its body, not both. */
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
  const isKnown = callsPerSecond !== null && job.total_calls !== null && !stalled;
  // Totals may be estimates: more may have been processed.
  const callsLeft = Math.max(0, (job.total_calls ?? 0) - job.processed_calls);
  return { callsPerSecond, secondsRemaining: isKnown ? callsLeft / callsPerSecond : null, stalled };
}

/**
 * Polls until it is aborted, the session is over or the user has no agency: one poll at a time, at the
 * {@link INTERVALS}, never in a hidden tab, and soon when the tab is shown again or the network has returned.
 *
 * The function judges a token, not the machine's clock: one that it accepts is sent until it is refused.
 */
export function watchSyncStatus(options: WatchSyncStatusOptions): SyncStatusWatch {
  const { url, getAccessToken, signal, onStatus, onError } = options;
  const tab = globalThis.document;
  const now = () => performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let [polling, over] = [false, false];
  let token: string | null | undefined;
  let [refused, seen]: (string | undefined)[] = [];
  let [leftAt, dueAt] = [-Infinity, Infinity];
  let [changedAt, succeededAt] = [now(), now()];

  async function poll() {
    [polling, leftAt, dueAt] = [true, now(), Infinity];
    const outcome = await pollOnce(true).catch((): Outcome => ({ kind: "unreachable" }));
    polling = false;
    if (over) return;
    const { kind } = outcome;
    // The callbacks come last: what they throw does not end the watch.
    if (kind === "forbidden" || kind === "signed_out") {
      end();
      return onError({ kind });
    }
    if (kind !== "status") {
      const retryInMs = wait(token ? "failed" : "noToken", now() - succeededAt);
      pollWithin(retryInMs);
      return onError({ kind: "unreachable", retryInMs });
    }
    const { status, at } = outcome;
    pollWithin(waitAfter(status, at));
    onStatus(status, status.active ? estimate(status.job, at) : null);
  }

  async function pollOnce(mayRepeat: boolean): Promise<Outcome> {
    const sent = token ??= await inTime(signal, () => getAccessToken(refused));
    if (sent === null) return { kind: "signed_out" };
    const outcome = await inTime(signal, (signal) => ask(url, sent, signal));
    // A new token that is refused contradicts itself, and is no sign-out.
    if (outcome.kind !== "unauthorized" || !mayRepeat) return outcome;
    [refused, token] = [sent, undefined];
    return await pollOnce(false);
  }

  function waitAfter(status: SyncStatus, at: number): number {
    succeededAt = now();
    const job = status.active ? status.job.id : `recent ${status.recent_job?.id}`;
    if (job !== seen) [seen, changedAt] = [job, now()];
    if (!status.active) return wait("idle", now() - changedAt);
    const age = at - Date.parse(status.job.started_at ?? "");
    // A job that waits for its turn is as old as the first status with it.
    return wait("active", Number.isNaN(age) ? now() - changedAt : age);
  }

  function pollWithin(ms: number) {
    dueAt = Math.min(dueAt, now() + ms);
    clearTimeout(timer);
    if (polling || over || tab?.visibilityState === "hidden") return;
    const left = Math.max(dueAt, leftAt + 2 * SECOND) - now();
    if (left > 0) timer = setTimeout(poll, left);
    else void poll();
  }

  /** The waits are short again. */
  function pollAnew(ms: number) {
    changedAt = succeededAt = now();
    pollWithin(ms);
  }
  const pollNow = () => pollAnew(0);
  const onOnline = () => pollAnew(4 * SECOND * Math.random());

  let resolve = () => {};
  const ended = new Promise<void>((settle) => resolve = settle);
  function end() {
    over = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
    tab?.removeEventListener("visibilitychange", pollNow);
    globalThis.removeEventListener?.("online", onOnline);
    resolve();
  }
  signal.addEventListener("abort", end);
  // Hiding the tab ends the wait, and showing it polls. Only browsers have these events.
  tab?.addEventListener("visibilitychange", pollNow);
  globalThis.addEventListener?.("online", onOnline);
  if (signal.aborted) end();
  else pollNow();
  return { ended, pollNow };
}
