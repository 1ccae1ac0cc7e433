/**
 * The steps of the contract one after the other, with a client per request, as
 * the Supabase docs teach.
 *
 * @see https://supabase.com/docs/guides/functions/auth-legacy-jwt
 * @module
 */

import { createClient } from "@supabase/supabase-js";
import { corsHeaders } from "@supabase/supabase-js/cors";
import type { Database } from "../../supabase/functions/get-sync-status/database.types.ts";
import { activeAnswer, idleAnswer } from "./answers.ts";

Deno.serve(async (request) => {
  const reply = (status: number, body: unknown) => Response.json(body, { status, headers: corsHeaders });

  if (request.method === "OPTIONS") return new Response("ok", { headers: corsHeaders });
  if (request.method !== "GET") return reply(405, { error: "Method not allowed" });
  try {
    const authorization = request.headers.get("Authorization");
    if (!authorization) return reply(401, { error: "Missing Authorization header" });

    const supabase = createClient<Database>(
      Deno.env.get("SUPABASE_URL") ?? "",
      Deno.env.get("SUPABASE_PUBLISHABLE_KEY") ?? "",
      { global: { headers: { Authorization: authorization } } },
    );

    const { data: { user } } = await supabase.auth.getUser(authorization.replace("Bearer ", ""));
    if (!user) return reply(401, { error: "Invalid token" });

    const { data: profile, error: profileError } = await supabase
      .from("users").select("agency_id").eq("id", user.id).maybeSingle();
    if (profileError) throw profileError;
    if (!profile?.agency_id) return reply(403, { error: "No agency" });

    const { data: active, error: activeError } = await supabase
      .rpc("get_active_sync_job", { p_agency_id: profile.agency_id }).maybeSingle();
    if (activeError) throw activeError;
    if (active) return reply(200, activeAnswer(active));

    const { data: recent, error: recentError } = await supabase
      .from("historical_sync_jobs").select("*")
      .eq("agency_id", profile.agency_id)
      .in("status", ["completed", "failed", "cancelled"])
      .order("created_at", { ascending: false })
      .limit(1).maybeSingle();
    if (recentError) throw recentError;
    return reply(200, idleAnswer(recent));
  } catch {
    return reply(500, { error: "Unexpected error" });
  }
});
