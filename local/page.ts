/**
 * Serves the example page on a port of its own, so that its requests to the
 * API are cross-origin as they are in production. It is the page's back end as
 * well: it starts an import for whoever is signed in.
 *
 * @module
 */

import { createClient } from "@supabase/supabase-js";
import type { Database } from "../supabase/functions/get-sync-status/database.types.ts";
import { deno, pathOf } from "./commands.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY, SECRET_KEY } from "./stack.ts";

const PAGE = new URL("../examples/page/", import.meta.url).href;

/** The demo users of seed.sql, and what the endpoint tells each. */
export const DEMO_USERS = [
  { email: "importing@example.com", sees: "an active job with its progress" },
  { email: "finished@example.com", sees: "the most recent finished job" },
  { email: "new@example.com", sees: '{"active":false,"recent_job":null}: the agency never synced' },
  { email: "nobody@example.com", sees: "403: the user belongs to no agency" },
];

/** The page on its port. */
export interface PageServer {
  url: string;
  /** Bundles the page and shows it from now on, with the project that it talks to. */
  show(supabaseUrl: string): Promise<void>;
  stop(): Promise<void>;
}

/** Requests an import for the agency of the user whose Bearer token came; gives the HTTP status for the page. */
async function startImport(supabaseUrl: string, authorization: string | null): Promise<number> {
  const supabase = createClient<Database>(supabaseUrl, SECRET_KEY, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const { data: { user } } = await supabase.auth.getUser(authorization?.replace(/^Bearer /, "") ?? "");
  if (!user) return 401;
  const { data } = await supabase.from("users").select("agency_id").eq("id", user.id).maybeSingle();
  if (!data?.agency_id) return 403;
  const { agency_id } = data;
  // Asked for the terminal's sake: lite prints the stack of each error of the database, expected or not.
  const { data: active } = await supabase.rpc("get_active_sync_job", { p_agency_id: agency_id });
  if (active?.length) return 409;
  const period = { date_from: "2025-01-01T00:00:00Z", date_to: "2025-03-01T00:00:00Z" };
  const { error } = await supabase.from("historical_sync_jobs").insert({
    agency_id,
    status: "pending",
    ...period,
  });
  // Two at once: the table has at most one active job for each agency (23505 is unique_violation).
  return error ? error.code === "23505" ? 409 : 500 : 201;
}

/**
 * Takes the port of the page.
 *
 * @param port the port on 127.0.0.1; 0 for a free one
 * @throws {Deno.errors.AddrInUse} when the port is taken
 */
export function startPage(port = 0): PageServer {
  let script = "";
  let supabaseUrl = "";
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return typed("text/html", await Deno.readTextFile(pathOf("index.html", PAGE)));
    if (pathname === "/page.js") return typed("text/javascript", script);
    if (pathname === "/config.json") {
      const users = DEMO_USERS.map(({ email }) => email);
      const config = { url: supabaseUrl, publishableKey: PUBLISHABLE_KEY, password: DEMO_PASSWORD, users };
      return Response.json(config);
    }
    if (pathname === "/imports" && request.method === "POST") {
      const status = await startImport(supabaseUrl, request.headers.get("Authorization"));
      return new Response(null, { status });
    }
    return new Response("no such path", { status: 404 });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    async show(url) {
      const entrypoint = pathOf("page.ts", PAGE);
      script = await deno(["bundle", "--quiet", "--minify", "--platform", "browser", entrypoint]);
      supabaseUrl = url;
    },
    stop: () => server.shutdown(),
  };
}

const typed = (type: string, body: string) =>
  new Response(body, { headers: { "Content-Type": `${type}; charset=utf-8` } });
