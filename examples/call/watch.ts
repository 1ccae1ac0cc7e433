import type { SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom } from "../client/access_token";
import { watchSyncStatus, type WatchSyncStatusOptions } from "../client/watch_sync_status";

type Callbacks = Pick<WatchSyncStatusOptions, "onStatus" | "onError" | "signal">;

/** Watches the status of a signed-in user's agency until the signal is aborted. */
export function watch(supabase: SupabaseClient, url: string, userId: string, callbacks: Callbacks) {
  const getAccessToken = accessTokenFrom(supabase.auth, userId);
  // If users are far from the database, append its region: "?forceFunctionRegion=eu-central-1".
  return watchSyncStatus({ url: `${url}/functions/v1/get-sync-status`, getAccessToken, ...callbacks });
}
