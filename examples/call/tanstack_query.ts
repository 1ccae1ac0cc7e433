"use client";

import { useEffect } from "react";
import { skipToken, useQuery, useQueryClient } from "@tanstack/react-query";
import { accessTokenFrom, type SupabaseAuth } from "../client/access_token";
import type { SyncStatus } from "../client/types.ts";
import { type SyncStatusProblem, watchSyncStatus } from "../client/watch_sync_status";

export type Seen = { status?: SyncStatus | undefined; problem?: SyncStatusProblem };
const queryKey = (userId: string) => ["sync-status", userId];

/**
 * Feeds the cache: call it once, above all components that show the status. `userId` comes from `useUserId` of
 * react.tsx: in an outage, no session in the first event is no sign-out.
 */
export function useSyncStatusFeed(url: string, auth: SupabaseAuth, userId: string) {
  const cache = useQueryClient();
  useEffect(() => {
    // The end of a watch still stands when a component shows it later.
    cache.setQueryDefaults(["sync-status"], { gcTime: Infinity });
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
    return () => {
      controller.abort();
      // The next session of this user begins with nothing, not with the end of this one.
      cache.setQueryData<Seen>(queryKey(userId), {});
    };
  }, [cache, url, auth, userId]);
}

/** What is known of the user's job, in any component. */
export function useSyncStatusQuery(userId: string): Seen {
  const { data } = useQuery<Seen>({ queryKey: queryKey(userId), queryFn: skipToken });
  return data ?? {};
}
