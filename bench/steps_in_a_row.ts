/** The steps of the contract as https://supabase.com/docs/guides/functions/auth-legacy-jwt teaches. */

import { createClient } from "@supabase/supabase-js";
import { corsHeaders } from "@supabase/supabase-js/cors";
import type { Database } from "../supabase/functions/get-sync-status/database.types.ts";

type Row = Database["public"]["Tables"]["historical_sync_jobs"]["Row"];

const utc = (time: string | null) => time && new Date(time).toISOString().replace(".000Z", "Z");

function activeAnswer({ agency_id: _, created_at: __, ...row }: Row) {
  const job = {
    ...row,
    date_from: utc(row.date_from),
    date_to: utc(row.date_to),
    started_at: utc(row.started_at),
    last_activity_at: utc(row.last_activity_at),
    progress_percent: row.total_calls ? Math.round(row.processed_calls / row.total_calls * 100) : null,
  };
  return { active: true, job };
}

function idleAnswer({ agency_id: _, started_at: __, last_activity_at: ___, ...row }: Row) {
  const times = { date_from: utc(row.date_from), date_to: utc(row.date_to), created_at: utc(row.created_at) };
  return { active: false, recent_job: { ...row, ...times } };
}

const SUPABASE_URL = Deno.env.get("SUPABASE_URL") ?? "";
const KEY = Deno.env.get("SUPABASE_PUBLISHABLE_KEY") ?? "";

async function answer(authorization: string): Promise<unknown> {
  const headers = { Authorization: authorization };
  const supabase = createClient<Database>(SUPABASE_URL, KEY, { global: { headers } });

  const { data: { user } } = await supabase.auth.getUser(authorization.replace("Bearer ", ""));
  if (!user) throw new Error("not signed in");

  const { data: profile } = await supabase
    .from("users").select("agency_id").eq("id", user.id).maybeSingle().throwOnError();
  if (!profile?.agency_id) throw new Error("no agency");

  const { data: active } = await supabase
    .rpc("get_active_sync_job", { p_agency_id: profile.agency_id }).maybeSingle().throwOnError();
  if (active) return activeAnswer(active);

  const { data: recent } = await supabase
    .from("historical_sync_jobs").select("*")
    .eq("agency_id", profile.agency_id)
    .in("status", ["completed", "failed", "cancelled"])
    .order("created_at", { ascending: false })
    .limit(1).maybeSingle().throwOnError();
  return recent ? idleAnswer(recent) : { active: false, recent_job: null };
}

Deno.serve(async (request) => {
  const body = await answer(request.headers.get("Authorization") ?? "");
  return Response.json(body, { headers: corsHeaders });
});
