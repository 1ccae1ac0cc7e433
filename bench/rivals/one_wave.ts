/**
 * The same requests in one wave on one shared client, with nothing checked and
 * no deadline: the limit within supabase-js, not an example to follow.
 *
 * @module
 */

import { createClient } from "@supabase/supabase-js";
import type { Database } from "../../supabase/functions/get-sync-status/database.types.ts";
import { activeAnswer, idleAnswer, serve } from "./common.ts";

const supabase = createClient<Database>(
  Deno.env.get("SUPABASE_URL") ?? "",
  Deno.env.get("SUPABASE_PUBLISHABLE_KEY") ?? "",
  { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false } },
);

serve(async (authorization) => {
  const payload = authorization.split(".")[1];
  if (!payload) throw new Error("not signed in");
  const { sub } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));

  const [auth, users, active] = await Promise.all([
    supabase.auth.getUser(authorization.replace("Bearer ", "")),
    supabase.from("users").select("agency_id").eq("id", sub).setHeader("Authorization", authorization),
    supabase.rpc("get_active_sync_job", {}, { get: true }).setHeader("Authorization", authorization),
  ]);
  if (!auth.data.user) throw new Error("not signed in");
  if (users.error) throw users.error;
  const agency = users.data[0]?.agency_id;
  if (!agency) throw new Error("no agency");
  if (active.error) throw active.error;
  if (active.data[0]) return activeAnswer(active.data[0]);

  const recent = await supabase
    .from("historical_sync_jobs").select("*")
    .eq("agency_id", agency)
    .in("status", ["completed", "failed", "cancelled"])
    .order("created_at", { ascending: false })
    .limit(1)
    .setHeader("Authorization", authorization);
  if (recent.error) throw recent.error;
  return idleAnswer(recent.data[0]);
});
