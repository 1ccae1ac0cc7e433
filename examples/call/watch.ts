import type { SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom } from "../client/access_token.ts";
import { type SyncStatusProblem, watchSyncStatus } from "../client/watch_sync_status.ts";
import type { SyncStatus } from "../client/types.ts";

/** Shows the status of the signed-in user's agency until the signal is aborted. */
export function showSyncStatus(
  supabase: SupabaseClient,
  url: string,
  show: (status: SyncStatus) => void,
  explain: (problem: SyncStatusProblem) => void,
  signal: AbortSignal,
): void {
  void watchSyncStatus({
    url: `${url}/functions/v1/get-sync-status`,
    getAccessToken: accessTokenFrom(supabase.auth),
    onStatus: show,
    onError: explain,
    signal,
  });
}
