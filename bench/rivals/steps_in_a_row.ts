/**
 * The steps of the contract one after the other, with a client per request, as
 * the Supabase docs teach.
 *
 * @see https://supabase.com/docs/guides/functions/auth-legacy-jwt
 * @module
 */

import { createClient } from "@supabase/supabase-js";
import type { Database } from "../../supabase/functions/get-sync-status/database.types.ts";
import { activeAnswer, idleAnswer, serve } from "./common.ts";

serve(async (authorization) => {
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
});
