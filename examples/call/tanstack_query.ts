"use client";

import { useEffect } from "react";
import { skipToken, useQuery, useQueryClient } from "@tanstack/react-query";
import { accessTokenFrom, type SupabaseAuth } from "../client/access_token";
import type { SyncStatus } from "../client/types.ts";
import { type SyncStatusProblem, watchSyncStatus } from "../client/watch_sync_status";

export type Seen = { status?: SyncStatus | undefined; problem?: SyncStatusProblem };
const queryKey = (userId: string) => ["sync-status", userId];

/** Feeds the cache: call it once, in a component that all that show the status are below. */
export function useSyncStatusFeed(url: string, auth: SupabaseAuth, userId: string) {
  const cache = useQueryClient();
  useEffect(() => {
    const controller = new AbortController();
    watchSyncStatus({
      url,
      getAccessToken: accessTokenFrom(auth, userId),
      signal: controller.signal,
      onStatus: (status) => cache.setQueryData<Seen>(queryKey(userId), { status }),
      onError: (problem) =>
        cache.setQueryData<Seen>(queryKey(userId), (seen) => {
          // In an outage the last status still stands.
          return problem.kind === "unreachable" ? { ...seen, problem } : { problem };
        }),
    });
    return () => controller.abort();
  }, [cache, url, auth, userId]);
}

/** What is known of the user's job, in any component. */
export function useSyncStatus(userId: string): Seen {
  const { data } = useQuery<Seen>({ queryKey: queryKey(userId), queryFn: skipToken, gcTime: Infinity });
  return data ?? {};
}
