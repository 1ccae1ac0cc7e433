/** Auth and PostgREST in their exact bytes, and their faults. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT } from "jose";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import type { Step } from "../supabase/functions/get-sync-status/upstream.ts";

/** PostgreSQL takes these UUIDs too, though they are of no version that RFC 9562 names. */
export const USER = "b0000000-0000-0000-0000-000000000001";
export const AGENCY = "a0000000-0000-0000-0000-000000000001";
export const KEY = "sb_publishable_fake";

/** Another token each time. */
export function tokenOf(sub: string, claims: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT({ sub, role: "authenticated", session_id: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode("the fake upstream does not look"));
}

export const TOKEN = await tokenOf(USER);

export const PATHS: Record<string, Step> = {
  "/auth/v1/user": "auth.getUser",
  "/rest/v1/users": "users",
  "/rest/v1/rpc/get_active_sync_job": "get_active_sync_job",
  "/rest/v1/historical_sync_jobs": "historical_sync_jobs",
};

export type Reply = { status: number; body: string; headers: Record<string, string> };

/** How one upstream request is answered: with a reply, or by what a reply cannot say. */
export type Responder = Reply | ((response: ServerResponse, request: IncomingMessage) => void);

/** What differs from {@link HEALTHY}. */
export type Changes = Partial<Record<Step, Responder>>;

export function answer(status: number, body: string, headers: Record<string, string> = {}): Reply {
  return { status, body, headers: { "Content-Type": "application/json; charset=utf-8", ...headers } };
}

export function send(responder: Responder, response: ServerResponse, request: IncomingMessage): void {
  if (typeof responder === "function") return responder(response, request);
  response.writeHead(responder.status, responder.headers).end(responder.body);
}

/** Of API version 2024-01-01. */
export function authError(status: number, code: string): Reply {
  return answer(status, JSON.stringify({ code, message: `Auth says ${code}` }), {
    "X-Supabase-Api-Version": "2024-01-01",
    "X-Sb-Error-Code": code,
  });
}

export function postgrestError(status: number, code: string): Reply {
  const error = { code, details: null, hint: null, message: `PostgREST says ${code}` };
  return answer(status, JSON.stringify(error));
}

/** A job of the examples as PostgREST writes it. */
function row<Job>(job: Job): Job & { agency_id: string } {
  const written = JSON.stringify(job).replaceAll('Z"', '+00:00"');
  return { agency_id: AGENCY, ...JSON.parse(written) };
}

const { progress_percent: _, ...activeJob } = ACTIVE.job;
export const ACTIVE_ROW = row(activeJob);
export const RECENT_ROW = row(IDLE.recent_job);

/** Rows as PostgREST writes them. */
export function rows(...values: unknown[]): Reply {
  const range = values.length ? `0-${values.length - 1}/*` : "*/*";
  return answer(200, JSON.stringify(values), { "Content-Range": range });
}

export function authUser(id: string, fields: Record<string, unknown> = {}): Reply {
  const user = { id, aud: "authenticated", role: "authenticated", email: "importing@example.com", ...fields };
  return answer(200, JSON.stringify(user), { "X-Supabase-Api-Version": "2024-01-01" });
}

/** The answers if nothing is wrong and a job is active. */
export const HEALTHY: Record<Step, Reply> = {
  "auth.getUser": authUser(USER),
  "users": rows({ agency_id: AGENCY }),
  "get_active_sync_job": rows(ACTIVE_ROW),
  "historical_sync_jobs": rows(RECENT_ROW),
};

type Asked = { step: Step | undefined; method: string; url: URL; headers: IncomingMessage["headers"] };

export async function startFakeUpstream() {
  // A long token fits into a header here as it does at the platform's gateway.
  const server = createServer({ maxHeaderSize: 1 << 18 }, (request, response) => {
    const url = new URL(request.url ?? "/", fake.url);
    const { method = "", headers } = request;
    const step = PATHS[url.pathname];
    fake.requests.push({ step, method, url, headers });
    response.once("close", () => {
      if (!response.writableFinished) fake.abandoned++;
    });
    const token = headers.authorization?.replace("Bearer ", "") ?? "";
    const responders: Record<Step, Responder> = { ...HEALTHY, ...fake.changes, ...fake.callers.get(token) };
    send(step ? responders[step] : answer(404, "{}"), response, request);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const fake = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    changes: {} as Changes,
    /** The changes for one caller, by the token. */
    callers: new Map<string, Changes>(),
    requests: [] as Asked[],
    /** How many requests the client gave up before they were answered. */
    abandoned: 0,
    /** Back to healthy, with these changes and nothing recorded. */
    reset(changes: Changes = {}) {
      Object.assign(fake, { changes, requests: [], abandoned: 0 });
    },
    stop() {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return fake;
}
