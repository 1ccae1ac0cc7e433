import { FunctionsHttpError, type SupabaseClient } from "@supabase/supabase-js";
import type { ErrorBody, SyncStatus } from "../client/types";

/** Asks for the status of the signed-in user's agency. GET must be named: POST is the default. */
export async function syncStatus(supabase: SupabaseClient): Promise<SyncStatus> {
  // In an outage of Auth this has an error; `invoke` would send no token, and be answered with a 401.
  const session = await supabase.auth.getSession();
  if (session.error) throw session.error;
  const { data, error } = await supabase.functions.invoke<SyncStatus>("get-sync-status", { method: "GET" });
  // A gateway may answer in the function's place, even with a 200: then `data` is a string.
  if (data?.active !== undefined) return data;
  if (!(error instanceof FunctionsHttpError)) throw error ?? new Error("HTTP 200 without a status");
  // The error's own message is always the same; the response has the stable code.
  const body: ErrorBody | null = await error.context.json().catch(() => null);
  throw body?.error && body.code ? new Error(body.code, { cause: error }) : error;
}
