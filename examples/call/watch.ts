import type { SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom } from "../client/access_token.ts";
import { watchSyncStatus, type WatchSyncStatusOptions } from "../client/watch_sync_status.ts";

type Told = Pick<WatchSyncStatusOptions, "onStatus" | "onError" | "signal">;

/** Watches the status of the signed-in user's agency until the signal is aborted. */
export function watch(supabase: SupabaseClient, url: string, told: Told) {
  const getAccessToken = accessTokenFrom(supabase.auth);
  return watchSyncStatus({ url: `${url}/functions/v1/get-sync-status`, getAccessToken, ...told });
}
