/** Auth and PostgREST in their exact bytes. The caller's token says what is answered, and from how far away. */

/// <reference lib="deno.worker" />

import { decodeJwt } from "jose";
import { z } from "zod";
import { HEALTHY, PATHS, rows } from "../local/fake_upstream.ts";

const claims = z.object({ situation: z.enum(["active", "idle"]), delay_ms: z.number() });
export type Claims = z.infer<typeof claims>;

/** By Authorization header: to read one for each request would take longer than the answer. */
const known = new Map<string, Claims>();

function claimsOf(authorization: string): Claims {
  const found = known.get(authorization) ?? claims.parse(decodeJwt(authorization.replace("Bearer ", "")));
  known.set(authorization, found);
  return found;
}

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  const step = PATHS[new URL(request.url).pathname];
  if (!step) return new Response(null, { status: 404 });
  const { situation, delay_ms } = claimsOf(request.headers.get("Authorization") ?? "");
  if (delay_ms > 0) await new Promise((resolve) => setTimeout(resolve, delay_ms));
  const isIdle = situation === "idle" && step === "get_active_sync_job";
  const { status, body, headers } = isIdle ? rows() : HEALTHY[step];
  return new Response(body, { status, headers });
});

self.postMessage(`http://127.0.0.1:${server.addr.port}`);
