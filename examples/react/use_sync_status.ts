/**
 * The status of the signed-in user's agency as a hook. Copy `client` beside this folder. Depends only on React,
 * 18 or newer; tried with 19.3.1.
 */

"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import { accessTokenFrom, forgetSession, type SupabaseAuth } from "../client/access_token";
import type { SyncStatus } from "../client/types";
import {
  type JobEstimate,
  type SyncStatusProblem,
  type SyncStatusWatch,
  watchSyncStatus,
} from "../client/watch_sync_status";

/** A change of any of these begins a new watch. */
export interface UseSyncStatusOptions {
  /** The function's address, `https://<ref>.supabase.co/functions/v1/get-sync-status`. */
  url: string;
  /** `supabase.auth` of a client that was made with `keepSession`. */
  auth: SupabaseAuth;
  /** What `watchUserId` says. While it is null or undefined, nothing is polled. */
  userId: string | null | undefined;
}

/** What is known of one user's job. */
export interface SyncStatusView {
  /** The last status; null until there is one, and after the end of the watch. */
  status: SyncStatus | null;
  /** What the active job's numbers say of its future; null while no job is active. */
  estimate: JobEstimate | null;
  /** What went wrong since the last status; null if nothing did. */
  problem: SyncStatusProblem | null;
  /** `pollNow` of the watch, or a new watch if that has ended; always the same function. */
  pollNow: SyncStatusWatch["pollNow"];
}

const NOTHING: Omit<SyncStatusView, "pollNow"> = { status: null, estimate: null, problem: null };

/**
 * Watches from mount to unmount, and shows nothing of one user to the next.
 *
 * A watch ends by itself with `forbidden`, or with `signed_out`, which also removes the session.
 *
 * Each call is a watch of its own. To share one, call the hook once and hand down what it gives by a context.
 */
export function useSyncStatus({ url, auth, userId }: UseSyncStatusOptions): SyncStatusView {
  const [attempt, setAttempt] = useState(1);
  const [seen, setSeen] = useState({ ...NOTHING, userId });
  const watch = useRef<SyncStatusWatch | null>(null);

  useEffect(() => {
    if (!userId) return;
    const controller = new AbortController();
    watch.current = watchSyncStatus({
      url,
      getAccessToken: accessTokenFrom(auth, userId),
      signal: controller.signal,
      onStatus: (status, estimate) => setSeen({ status, estimate, problem: null, userId }),
      onError(problem) {
        // In an outage the last status still stands; any other problem is the end of the watch.
        const isOver = problem.kind !== "unreachable";
        if (isOver) watch.current = null;
        setSeen((seen) => ({ ...(isOver ? NOTHING : seen), problem, userId }));
        if (problem.kind === "signed_out") void forgetSession(auth, userId);
      },
    });
    return () => {
      controller.abort();
      watch.current = null;
      setSeen({ ...NOTHING, userId });
    };
  }, [url, auth, userId, attempt]);

  const pollNow = useCallback(() => {
    if (watch.current) watch.current.pollNow();
    else setAttempt((attempt) => attempt + 1);
  }, []);
  // The first render for another user comes before the effect above has emptied what was seen.
  const { status, estimate, problem } = seen.userId === userId ? seen : NOTHING;
  return { status, estimate, problem, pollNow };
}
