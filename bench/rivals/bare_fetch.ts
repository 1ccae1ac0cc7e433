/**
 * The same requests in one wave by bare `fetch`, with no library and nothing
 * validated: the limit, not an example to follow.
 *
 * @module
 */

import { activeAnswer, idleAnswer } from "./answers.ts";

const url = Deno.env.get("SUPABASE_URL");
const apikey = Deno.env.get("SUPABASE_PUBLISHABLE_KEY") ?? "";

const headers = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Headers": "authorization, apikey",
};
const FINISHED = "status=in.(completed,failed,cancelled)&order=created_at.desc&limit=1";

Deno.serve(async (request) => {
  const reply = (status: number, body: unknown) => Response.json(body, { status, headers });
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers });
  if (request.method !== "GET") return reply(405, {});

  const authorization = request.headers.get("Authorization") ?? "";
  const payload = authorization.split(".")[1];
  if (!payload) return reply(401, {});
  const ask = async (path: string) => {
    const response = await fetch(url + path, { headers: { apikey, Authorization: authorization } });
    return { status: response.status, body: await response.json() };
  };
  try {
    const { sub } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    const [auth, users, active] = await Promise.all([
      ask("/auth/v1/user"),
      ask(`/rest/v1/users?select=agency_id&id=eq.${sub}`),
      ask("/rest/v1/rpc/get_active_sync_job"),
    ]);
    if (auth.status === 403) return reply(401, {});
    if (auth.status !== 200 || users.status !== 200 || active.status !== 200) return reply(500, {});
    const agency = users.body[0]?.agency_id;
    if (!agency) return reply(403, {});
    if (active.body[0]) return reply(200, activeAnswer(active.body[0]));
    const recent = await ask(`/rest/v1/historical_sync_jobs?agency_id=eq.${agency}&${FINISHED}`);
    return recent.status === 200 ? reply(200, idleAnswer(recent.body[0])) : reply(500, {});
  } catch {
    return reply(500, {});
  }
});
