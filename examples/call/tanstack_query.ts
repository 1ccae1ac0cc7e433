"use client";

import { useCallback, useEffect } from "react";
import { skipToken, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SyncStatusView, useSyncStatus, type UseSyncStatusOptions } from "../react/use_sync_status";

type UserId = UseSyncStatusOptions["userId"];

const NOTHING = { status: null, estimate: null, problem: null };
const keyOf = (userId: UserId) => ["sync-status", userId];

/** Puts what `useSyncStatus` gives into the cache. Call it once, above all components that show the status. */
export function useSyncStatusFeed(options: UseSyncStatusOptions): void {
  const cache = useQueryClient();
  const { userId } = options;
  const { status, estimate, problem, pollNow } = useSyncStatus(options);
  useEffect(() => {
    // A component that is mounted later must still see that the watch has ended.
    cache.setQueryDefaults(["sync-status"], { gcTime: Infinity });
    cache.setQueryData<SyncStatusView>(keyOf(userId), { status, estimate, problem, pollNow });
  }, [cache, userId, status, estimate, problem, pollNow]);
  useEffect(() => {
    // The user's next session begins with nothing.
    return () => void cache.setQueryData(keyOf(userId), { ...NOTHING, pollNow });
  }, [cache, userId, pollNow]);
}

/** Gives what `useSyncStatus` gives, in any component below the feed. */
export function useSyncStatusQuery(userId: UserId): SyncStatusView {
  const cache = useQueryClient();
  const { data = NOTHING } = useQuery<SyncStatusView>({
    queryKey: keyOf(userId),
    queryFn: skipToken,
    // An app's default `keepPreviousData` would show another user's.
    placeholderData: undefined,
  });
  const pollNow = useCallback(() => {
    cache.getQueryData<SyncStatusView>(keyOf(userId))?.pollNow();
  }, [cache, userId]);
  return { ...data, pollNow };
}
