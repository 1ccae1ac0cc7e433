/**
 * The same requests in one wave on one shared client, with nothing checked and
 * no deadline: the limit within supabase-js, not an example to follow.
 *
 * @module
 */

import { createClient } from "@supabase/supabase-js";
import { corsHeaders } from "@supabase/supabase-js/cors";
import type { Database } from "../../supabase/functions/get-sync-status/database.types.ts";
import { activeAnswer, idleAnswer } from "./answers.ts";

const supabase = createClient<Database>(
  Deno.env.get("SUPABASE_URL") ?? "",
  Deno.env.get("SUPABASE_PUBLISHABLE_KEY") ?? "",
  { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false } },
);

Deno.serve(async (request) => {
  const reply = (status: number, body: unknown) => Response.json(body, { status, headers: corsHeaders });

  if (request.method === "OPTIONS") return new Response("ok", { headers: corsHeaders });
  if (request.method !== "GET") return reply(405, { error: "Method not allowed" });
  try {
    const authorization = request.headers.get("Authorization") ?? "";
    const payload = authorization.split(".")[1];
    if (!payload) return reply(401, { error: "Invalid token" });
    const { sub } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));

    const [auth, users, active] = await Promise.all([
      supabase.auth.getUser(authorization.replace("Bearer ", "")),
      supabase.from("users").select("agency_id").eq("id", sub).setHeader("Authorization", authorization),
      supabase.rpc("get_active_sync_job", {}, { get: true }).setHeader("Authorization", authorization),
    ]);
    if (!auth.data.user) return reply(401, { error: "Invalid token" });
    if (users.error) throw users.error;
    const agency = users.data[0]?.agency_id;
    if (!agency) return reply(403, { error: "No agency" });
    if (active.error) throw active.error;
    if (active.data[0]) return reply(200, activeAnswer(active.data[0]));

    const recent = await supabase
      .from("historical_sync_jobs").select("*")
      .eq("agency_id", agency)
      .in("status", ["completed", "failed", "cancelled"])
      .order("created_at", { ascending: false })
      .limit(1)
      .setHeader("Authorization", authorization);
    if (recent.error) throw recent.error;
    return reply(200, idleAnswer(recent.data[0]));
  } catch {
    return reply(500, { error: "Unexpected error" });
  }
});
