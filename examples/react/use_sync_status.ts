/**
 * The status of the signed-in user's agency as a hook of React: copy this folder and `client` beside it into a
 * front end. Depends only on React, 18 or newer; tried with 19.3.1.
 */

"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import { accessTokenFrom, type SupabaseAuth } from "../client/access_token";
import type { SyncStatus } from "../client/types.ts";
import {
  deriveOutlook,
  type JobOutlook,
  type SyncStatusProblem,
  type SyncStatusWatch,
  watchSyncStatus,
} from "../client/watch_sync_status";

/** What {@link useSyncStatus} needs. A change of any of these begins a new watch. */
export interface UseSyncStatusOptions {
  /** The function's address, `https://<ref>.supabase.co/functions/v1/get-sync-status`. */
  url: string;
  /** `supabase.auth` of a client that was made with `keepSession`. */
  auth: SupabaseAuth;
  /** Whose status; null while nobody is signed in, undefined while that is not known: then nothing is polled. */
  userId: string | null | undefined;
}

/** What is known of the job of one user. */
interface Seen {
  /** The last status; null until there is one, and once the session is over or the user has no agency. */
  status: SyncStatus | null;
  /** What the active job's numbers said of its future when they came; null while no job is active. */
  outlook: JobOutlook | null;
  /** What went wrong since the last status; null if nothing did. */
  problem: SyncStatusProblem | null;
}

/** What {@link useSyncStatus} gives. */
export interface SyncStatusView extends Seen {
  /** `pollNow` of the watch, or a new watch if the last one has ended by itself; always the same function. */
  pollNow: SyncStatusWatch["pollNow"];
}

const NOTHING: Seen = { status: null, outlook: null, problem: null };

/**
 * Watches from mount to unmount, and shows nothing of one user to the next.
 *
 * A change of `url` or `userId` ends the watch, begins the next, and empties what is shown in the same
 * render. A watch that has ended by itself, with `signed_out` or `forbidden`, begins again when `userId`
 * changes, by `pollNow`, or when the component is mounted anew. After `signed_out` call `forgetSession`:
 * then the same user can sign in again.
 *
 * Each call is a watch of its own. Components that show the same status share one: call the hook once above
 * them, and hand down what it gives by a context.
 */
export function useSyncStatus({ url, auth, userId }: UseSyncStatusOptions): SyncStatusView {
  const [watches, setWatches] = useState(1);
  const [seen, setSeen] = useState({ ...NOTHING, url, userId });
  // During the render: an effect would leave the user before on the screen until it ran.
  if (seen.url !== url || seen.userId !== userId) setSeen({ ...NOTHING, url, userId });

  const watch = useRef<SyncStatusWatch | null>(null);
  useEffect(() => {
    if (!userId) return;
    const controller = new AbortController();
    const started = watchSyncStatus({
      url,
      getAccessToken: accessTokenFrom(auth, userId),
      signal: controller.signal,
      onStatus(status) {
        const outlook = status.active ? deriveOutlook(status.job) : null;
        setSeen({ status, outlook, problem: null, url, userId });
      },
      // With url and userId: the next user may be on the page before this effect is cleaned up.
      onError: (problem) =>
        setSeen((seen) => ({ ...(problem.kind === "unreachable" ? seen : NOTHING), problem, url, userId })),
    });
    watch.current = started;
    void started.ended.then(() => {
      if (watch.current === started) watch.current = null;
    });
    return () => controller.abort();
  }, [url, auth, userId, watches]);

  const pollNow = useCallback(() => {
    if (watch.current) watch.current.pollNow();
    else setWatches((watches) => watches + 1);
  }, []);
  return { status: seen.status, outlook: seen.outlook, problem: seen.problem, pollNow };
}
