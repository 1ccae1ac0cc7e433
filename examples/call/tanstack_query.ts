"use client";

import { useCallback } from "react";
import { skipToken, useQuery, useQueryClient } from "@tanstack/react-query";
import { accessTokenFrom, forgetSession, type SupabaseAuth } from "../client/access_token";
import type { SyncStatus } from "../client/types";
import { type JobEstimate, type SyncStatusProblem, watchSyncStatus } from "../client/watch_sync_status";

type Options = { url: string; auth: SupabaseAuth; userId: string | null | undefined };
type Seen = { status: SyncStatus | null; estimate: JobEstimate | null; problem: SyncStatusProblem | null };

const NOTHING: Seen = { status: null, estimate: null, problem: null };

/**
 * Gives what `useSyncStatus` gives, in any number of components: they share one watch. It begins with the first
 * component and ends with the last. The query counts as fetching as long as the watch goes on.
 */
export function useSyncStatusQuery({ url, auth, userId }: Options) {
  const cache = useQueryClient();
  const { data = NOTHING } = useQuery<Seen>({
    queryKey: ["sync-status", url, userId],
    queryFn: !userId ? skipToken : ({ queryKey, signal }) =>
      new Promise((resolve) =>
        watchSyncStatus({
          url,
          getAccessToken: accessTokenFrom(auth, userId),
          signal,
          onStatus: (status, estimate) =>
            cache.setQueryData<Seen>(queryKey, { status, estimate, problem: null }),
          onError(problem) {
            if (problem.kind === "signed_out") void forgetSession(auth, userId);
            if (problem.kind !== "unreachable") resolve({ ...NOTHING, problem });
            // In an outage the last status still stands.
            else cache.setQueryData<Seen>(queryKey, (seen = NOTHING) => ({ ...seen, problem }));
          },
        })
      ),
    // The watch decides when to poll, and nothing of it is kept for the next session.
    staleTime: Infinity,
    gcTime: 0,
    networkMode: "always",
  });
  /** Begins a new watch, which polls at once. */
  const pollNow = useCallback(() => void cache.invalidateQueries({ queryKey: ["sync-status"] }), [cache]);
  return { ...data, pollNow };
}
