/**
 * A client of get-sync-status that polls no more than it has to: copy this folder into a front end. It depends
 * on nothing, and runs in browsers, in React Native, on Deno and on Node.js 20 or newer.
 */

/// <reference lib="dom" />

import { inTime } from "./in_time";
import type { ActiveJob, SyncStatus } from "./types.ts";

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

/** What people ask of an active job, and the endpoint deliberately does not send. */
export interface JobEstimate {
  /** The mean since the start; null until it is known. */
  callsPerSecond: number | null;
  /** Until the last call is processed at that rate; null until it is known, and while the job is stalled. */
  secondsRemaining: number | null;
  /** Whether the job has probably lost its worker: no activity for two minutes by the server's clock. */
  stalled: boolean;
}

/** What a watch needs. What a callback throws is an unhandled rejection; in a browser the watch goes on. */
export interface WatchSyncStatusOptions {
  /** The function's address, `https://<ref>.supabase.co/functions/v1/get-sync-status`. */
  url: string;
  /**
   * Gives the access token, another one if `refused` is what the function refused, and null if the session is
   * over. It rejects if that is not known. With supabase-js: `accessTokenFrom(supabase.auth, userId)` of
   * access_token.ts.
   */
  getAccessToken(refused?: string): Promise<string | null>;
  /** Ends the poll that is under way, and the watch. */
  signal: AbortSignal;
  /** `estimate` is null while no job is active. */
  onStatus(status: SyncStatus, estimate: JobEstimate | null): void;
  onError(problem: SyncStatusProblem): void;
}

const SECOND = 1_000;

/**
 * How long a page waits, in milliseconds: the place to change what open pages ask for together.
 *
 * A wait is a share of the time since something began, within two bounds. Then it is made longer or shorter by
 * up to `spread`, by chance: pages must not poll all at once.
 */
const INTERVALS = {
  /** Between two polls of an active job, since it began. */
  active: { share: 0.01, shortest: 2 * SECOND, longest: 15 * SECOND, spread: 0.2 },
  /** Between two polls while no job is active, since the last change. */
  idle: { share: 0.1, shortest: 30 * SECOND, longest: 250 * SECOND, spread: 0.2 },
  /** After a failed poll, since the last status. */
  failed: { share: 3, shortest: 3 * SECOND, longest: 45 * SECOND, spread: 1 / 3 },
  /** The same without a token: nothing is sent, and supabase-js itself decides when it asks Auth. */
  noToken: { share: 0.1, shortest: 2 * SECOND, longest: 15 * SECOND, spread: 0 },
};

/** The longest wait after the network has returned. */
const ONLINE = 4 * SECOND;

/** The shortest wait, whoever asks for a poll. */
const HURRY = 2 * SECOND;

/** A wait of {@link INTERVALS} for what is so old, in milliseconds. */
function wait(kind: keyof typeof INTERVALS, age: number): number {
  const { share, shortest, longest, spread } = INTERVALS[kind];
  const ms = Math.min(longest, Math.max(shortest, age * share));
  return ms * (1 + spread * (2 * Math.random() - 1));
}

/** What a poll comes to. */
type Outcome =
  /** `at` is when the server answered, in milliseconds since 1970. */
  | { kind: "status"; status: SyncStatus; at: number }
  | { kind: "unauthorized" | "forbidden" | "signed_out" | "unreachable" };

/** What may stand in an answer, of the function or of whoever answers in its place. */
type Body = {
  active?: unknown;
  job?: { id?: unknown } | null;
  recent_job?: { id?: unknown } | null;
  error?: unknown;
  code?: unknown;
} | null;

/** Asks the function once. By status and body together: a firewall or a gateway sends one or the other. */
async function ask(url: string, token: string, signal: AbortSignal): Promise<Outcome> {
  const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` }, signal });
  const body: Body = await response.json();
  if (response.status === 200 && isStatus(body)) {
    // The machine's clock may be days off.
    const at = Date.parse(response.headers.get("Date") ?? "") || Date.now();
    return { kind: "status", status: body, at };
  }
  const code = typeof body?.error === "string" && body.code;
  if (response.status === 401 && code === "unauthorized") return { kind: code };
  if (response.status === 403 && code === "forbidden") return { kind: code };
  return { kind: "unreachable" };
}

function isStatus(body: Body): body is SyncStatus {
  if (body?.active === true) return typeof body.job?.id === "string";
  return body?.active === false && (body.recent_job === null || typeof body.recent_job?.id === "string");
}

/** What an active job's numbers say of its future at an instant, in milliseconds since 1970. */
function estimate(job: ActiveJob, at: number): JobEstimate {
  const startedAt = Date.parse(job.started_at ?? "");
  const lastActivityAt = Date.parse(job.last_activity_at ?? "");
  const seconds = (lastActivityAt - startedAt) / SECOND;
  const callsPerSecond = seconds > 0 && job.processed_calls > 0 ? job.processed_calls / seconds : null;
  const stalled = job.status === "in_progress" && at - (lastActivityAt || startedAt) > 120 * SECOND;
  const secondsRemaining = callsPerSecond === null || job.total_calls === null || stalled
    ? null
    : Math.max(0, job.total_calls - job.processed_calls) / callsPerSecond;
  return { callsPerSecond, secondsRemaining, stalled };
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
 * One poll at a time, at the {@link INTERVALS}: often while a job is young, less often as it gets old, less and
 * less while nothing changes, and less after failures. Never while the tab is hidden. When the tab is shown
 * again or the network has returned, it polls soon; if a poll is under way, after that one.
 *
 * The function judges a token, and not the machine's clock: one that it accepts is sent until it is refused.
 */
export function watchSyncStatus(options: WatchSyncStatusOptions): SyncStatusWatch {
  const { url, getAccessToken, signal, onStatus, onError } = options;
  const tab = globalThis.document;
  const now = () => performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let [polling, isOver] = [false, false];
  let token: string | null | undefined;
  let refused: string | undefined;
  let seen: string | undefined;
  let [leftAt, dueAt] = [-Infinity, Infinity];
  // The waits grow with the time since the last change, and since the last status.
  let [changedAt, succeededAt] = [now(), now()];

  async function poll() {
    polling = true;
    leftAt = now();
    dueAt = Infinity;
    const outcome = await pollOnce().catch((): Outcome => ({ kind: "unreachable" }));
    polling = false;
    if (isOver) return;
    if (outcome.kind === "forbidden" || outcome.kind === "signed_out") {
      end();
      return onError({ kind: outcome.kind });
    }
    const ms = waitAfter(outcome);
    pollWithin(ms);
    // Last: what a callback throws does not end the watch.
    if (outcome.kind !== "status") return onError({ kind: "unreachable", retryInMs: ms });
    const { status, at } = outcome;
    onStatus(status, status.active ? estimate(status.job, at) : null);
  }

  async function pollOnce(): Promise<Outcome> {
    for (const isLast of [false, true]) {
      token ??= await inTime(signal, () => getAccessToken(refused));
      if (token === null) return { kind: "signed_out" };
      const current = token;
      const outcome = await inTime(signal, (signal) => ask(url, current, signal));
      // A token that is refused although it is new contradicts itself: it is no sign-out.
      if (outcome.kind !== "unauthorized" || isLast) return outcome;
      [refused, token] = [token, undefined];
    }
    return { kind: "unreachable" };
  }

  function waitAfter(outcome: Outcome): number {
    if (outcome.kind !== "status") return wait(token ? "failed" : "noToken", now() - succeededAt);
    const { status, at } = outcome;
    const what = status.active ? status.job.id : `recent ${status.recent_job?.id}`;
    if (what !== seen) changedAt = now();
    seen = what;
    succeededAt = now();
    if (!status.active) return wait("idle", now() - changedAt);
    // A job that waits for its turn is as old as the first status with it.
    return wait("active", at - Date.parse(status.job.started_at ?? "") || now() - changedAt);
  }

  function pollWithin(ms: number) {
    dueAt = Math.min(dueAt, now() + ms);
    clearTimeout(timer);
    if (polling || isOver || tab?.visibilityState === "hidden") return;
    const left = Math.max(dueAt, leftAt + HURRY) - now();
    if (left > 0) timer = setTimeout(poll, left);
    else void poll();
  }
  function pollAnew(ms: number) {
    changedAt = succeededAt = now();
    pollWithin(ms);
  }
  const pollNow = () => pollAnew(0);
  const onOnline = () => pollAnew(ONLINE * Math.random());

  let resolveEnded = () => {};
  const ended = new Promise<void>((resolve) => resolveEnded = resolve);
  function end() {
    isOver = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
    tab?.removeEventListener("visibilitychange", pollNow);
    globalThis.removeEventListener?.("online", onOnline);
    resolveEnded();
  }
  signal.addEventListener("abort", end);
  // Hiding the tab ends the wait, so that showing it polls. Node.js and React Native have none of these events.
  tab?.addEventListener("visibilitychange", pollNow);
  globalThis.addEventListener?.("online", onOnline);
  if (signal.aborted) end();
  else pollNow();
  return { ended, pollNow };
}
