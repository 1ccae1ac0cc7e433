/**
 * Auth and PostgREST for the bench, in a thread of their own: the exact bytes
 * of each, after a chosen delay, and a count of what was asked.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import {
  ACTIVE_ROW,
  AGENCY,
  authError,
  authUser,
  PATHS,
  postgrestError,
  RECENT_ROW,
  rows,
} from "../tests/support/fake_upstream.ts";
import type { Reply } from "../tests/support/fake_upstream.ts";
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";
import type { Caller } from "./rivals.ts";

/** What the thread is told: who is who, or how far away it is from now on. */
export type Order = { tokens: Record<string, { caller: Caller; id: string }> } | { delayMs: number };

const CHANGES: Record<Caller, Partial<Record<Step, Reply>>> = {
  active: {},
  idle: { get_active_sync_job: rows() },
  fresh: { get_active_sync_job: rows(), historical_sync_jobs: rows() },
  nobody: { users: rows({ agency_id: null }), get_active_sync_job: rows() },
  outage: { users: postgrestError(500, "XX000") },
};

const replies = new Map<string, Record<Step, Reply>>();
let delayMs = 0;
let requests = 0;

function respond({ status, body, headers }: Reply): Response {
  return new Response(body, { status, headers });
}

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  requests++;
  const step = PATHS[request.url.slice(request.url.indexOf("/", 8)).split("?")[0] ?? ""];
  const known = replies.get(request.headers.get("Authorization") ?? "");
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  if (!step) return new Response("{}", { status: 404 });
  if (!known) {
    return respond(step === "auth.getUser" ? authError(403, "bad_jwt") : postgrestError(401, "PGRST301"));
  }
  return respond(known[step]);
});

const report = () => {
  self.postMessage({ url: `http://127.0.0.1:${server.addr.port}`, requests });
  requests = 0;
};

/** Each order is answered with the address and the requests since the last order. */
self.onmessage = ({ data }: MessageEvent<Order>) => {
  if ("delayMs" in data) delayMs = data.delayMs;
  else {
    for (const [token, { caller, id }] of Object.entries(data.tokens)) {
      replies.set(`Bearer ${token}`, {
        "auth.getUser": authUser(id),
        "users": rows({ agency_id: AGENCY }),
        "get_active_sync_job": rows(ACTIVE_ROW),
        "historical_sync_jobs": rows(RECENT_ROW),
        ...CHANGES[caller],
      });
    }
  }
  report();
};
// Says that it listens.
report();
