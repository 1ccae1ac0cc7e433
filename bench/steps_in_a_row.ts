/**
 * The steps of the contract one after the other, with a client per request, as
 * https://supabase.com/docs/guides/functions/auth-legacy-jwt teaches. Rows are taken at their word.
 */

import { createClient } from "@supabase/supabase-js";
import { corsHeaders } from "@supabase/supabase-js/cors";
import type { Database } from "../supabase/functions/get-sync-status/database.types.ts";

type Row = Database["public"]["Tables"]["historical_sync_jobs"]["Row"];

const utc = (time: string | null) => time && new Date(time).toISOString().replace(".000Z", "Z");

const period = ({ date_from, date_to }: Row) => ({ date_from: utc(date_from), date_to: utc(date_to) });

/** The answer while a job is active. */
function activeAnswer(row: Row) {
  const { agency_id: _, created_at: __, started_at, last_activity_at, ...job } = row;
  const progress_percent = row.total_calls ? Math.round((row.processed_calls / row.total_calls) * 100) : null;
  const instants = { started_at: utc(started_at), last_activity_at: utc(last_activity_at) };
  return { active: true, job: { ...job, ...period(row), progress_percent, ...instants } };
}

/** The answer while none is. */
function idleAnswer(row: Row | null | undefined) {
  if (!row) return { active: false, recent_job: null };
  const { agency_id: _, started_at: __, last_activity_at: ___, ...job } = row;
  return { active: false, recent_job: { ...job, ...period(row), created_at: utc(row.created_at) } };
}

async function answer(authorization: string): Promise<unknown> {
  const supabase = createClient<Database>(
    Deno.env.get("SUPABASE_URL") ?? "",
    Deno.env.get("SUPABASE_PUBLISHABLE_KEY") ?? "",
    { global: { headers: { Authorization: authorization } } },
  );

  const { data: { user } } = await supabase.auth.getUser(authorization.replace("Bearer ", ""));
  if (!user) throw new Error("not signed in");

  const { data: profile, error: profileError } = await supabase
    .from("users").select("agency_id").eq("id", user.id).maybeSingle();
  if (profileError) throw profileError;
  if (!profile?.agency_id) throw new Error("no agency");

  const { data: active, error: activeError } = await supabase
    .rpc("get_active_sync_job", { p_agency_id: profile.agency_id }).maybeSingle();
  if (activeError) throw activeError;
  if (active) return activeAnswer(active);

  const { data: recent, error: recentError } = await supabase
    .from("historical_sync_jobs").select("*")
    .eq("agency_id", profile.agency_id)
    .in("status", ["completed", "failed", "cancelled"])
    .order("created_at", { ascending: false })
    .limit(1).maybeSingle();
  if (recentError) throw recentError;
  return idleAnswer(recent);
}

Deno.serve(async (request) => {
  try {
    const body = await answer(request.headers.get("Authorization") ?? "");
    return Response.json(body, { headers: corsHeaders });
  } catch {
    return Response.json({}, { status: 500, headers: corsHeaders });
  }
});
