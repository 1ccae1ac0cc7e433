import type { SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom } from "../client/access_token.ts";
import {
  type SyncStatusProblem,
  type SyncStatusWatch,
  watchSyncStatus,
} from "../client/watch_sync_status.ts";
import type { SyncStatus } from "../client/types.ts";

/** Shows the status of the signed-in user's agency until the signal is aborted; `pollNow()` of what it gives polls at once. */
export function showSyncStatus(
  supabase: SupabaseClient,
  url: string,
  show: (status: SyncStatus) => void,
  explain: (problem: SyncStatusProblem) => void,
  signal: AbortSignal,
): SyncStatusWatch {
  return watchSyncStatus({
    url: `${url}/functions/v1/get-sync-status`,
    getAccessToken: accessTokenFrom(supabase.auth),
    onStatus: show,
    onError: explain,
    signal,
  });
}
