/**
 * Auth and PostgREST for the bench, in a thread of their own: the exact bytes
 * of each. The caller's token says what is answered, and from how far away.
 */

/// <reference lib="deno.worker" />

import { z } from "zod";
import { HEALTHY, PATHS, rows } from "../local/fake_upstream.ts";

/** What differs from a healthy upstream with an active job. */
const SITUATIONS = { active: {}, idle: { get_active_sync_job: rows() } };

const claims = z.object({ situation: z.enum(["active", "idle"]), delay_ms: z.number() });
/** The claims of a token that this upstream reads. */
export type Claims = z.infer<typeof claims>;

/** Tokens that were read: to read one for each request would take longer than the answer. */
const known = new Map<string, Claims>();

function read(authorization: string): Claims {
  const payload = authorization.split(".")[1] ?? "";
  const found = known.get(authorization) ??
    claims.parse(JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))));
  known.set(authorization, found);
  return found;
}

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  const step = PATHS[request.url.slice(request.url.indexOf("/", 8)).split("?")[0] ?? ""];
  if (!step) return new Response(null, { status: 404 });
  const { situation, delay_ms } = read(request.headers.get("Authorization") ?? "");
  if (delay_ms > 0) await new Promise((resolve) => setTimeout(resolve, delay_ms));
  const { status, body, headers } = { ...HEALTHY, ...SITUATIONS[situation] }[step];
  return new Response(body, { status, headers });
});

self.postMessage(`http://127.0.0.1:${server.addr.port}`);
