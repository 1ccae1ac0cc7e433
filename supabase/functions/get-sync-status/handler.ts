import { corsHeaders } from "@supabase/supabase-js/cors";
import { claims } from "./contract.ts";
import { withDeadline } from "./deadline.ts";
import { getSyncStatus } from "./sync_status.ts";
import type { ErrorBody, ErrorCode } from "./types.ts";
import type { Caller, Client } from "./upstream.ts";

const METHODS = "GET, OPTIONS";

/** Sent with every response, as is `X-Request-Id`. */
const HEADERS = {
  ...corsHeaders,
  // The star is for monitoring SDKs. It does not cover `authorization` (Fetch standard, CORS-preflight fetch).
  "Access-Control-Allow-Headers": `${corsHeaders["Access-Control-Allow-Headers"]}, *`,
  "Access-Control-Allow-Methods": METHODS,
  "Access-Control-Expose-Headers": "X-Request-Id, Date",
  "Cache-Control": "no-store",
};

/** Saves a page the preflight before each poll; browsers allow less than a day. */
const PREFLIGHT_HEADERS = { "Access-Control-Max-Age": "86400" };

/** An error as it goes out, with headers of its own. */
type ErrorAnswer = { status: number; error: string; headers?: Record<string, string> };

const ERRORS: Record<ErrorCode, ErrorAnswer> = {
  unauthorized: {
    status: 401,
    error: "Sign in and send a valid access token as Bearer token in the Authorization header.",
    // RFC 9110, 11.6.1: a 401 names the scheme it wants.
    headers: { "WWW-Authenticate": "Bearer" },
  },
  forbidden: { status: 403, error: "Your user account is not associated with an agency." },
  method_not_allowed: {
    status: 405,
    error: "Only GET is allowed here.",
    // RFC 9110, 15.5.6: a 405 names the methods that are allowed.
    headers: { "Allow": METHODS },
  },
  internal_error: { status: 500, error: "The sync status could not be determined. Please try again." },
};

/** Answers a request to get-sync-status; never rejects. */
export async function handle(request: Request, client: Client): Promise<Response> {
  const requestId = crypto.randomUUID();
  const response = await answer(request, client, requestId);
  for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value);
  response.headers.set("X-Request-Id", requestId);
  return response;
}

async function answer(request: Request, client: Client, requestId: string): Promise<Response> {
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: PREFLIGHT_HEADERS });
  if (request.method !== "GET") return answerError("method_not_allowed");
  try {
    return await poll(request, client, requestId);
  } catch (error) {
    // Only its class: the message may quote what must not be logged.
    const error_class = error instanceof Error ? error.name : typeof error;
    logFailure(requestId, { step: "handler", reason: "the function failed", error_class });
    return answerError("internal_error");
  }
}

async function poll(request: Request, client: Client, requestId: string): Promise<Response> {
  const startedAt = performance.now();
  const caller = readCaller(request.headers.get("Authorization"));
  if (!caller) return answerError("unauthorized");

  // With Deno's option `no-legacy-abort` it is aborted when the client is gone. Supabase's edge
  // runtime 1.9 notices that only when it writes the answer.
  const outcome = await withDeadline(request.signal, () => getSyncStatus(client, caller));
  switch (outcome.kind) {
    case "answered":
      return Response.json(outcome.value);
    case "refused":
      return answerError(outcome.code);
    case "failed":
      // That the client has left is no failure.
      if (!request.signal.aborted) {
        const { kind: _, ...failure } = outcome;
        logFailure(requestId, { ...failure, duration_ms: Math.round(performance.now() - startedAt) });
      }
      return answerError("internal_error");
  }
}

/** Reads who polls. Verifies nothing: `sub` decides only which row to ask for. */
function readCaller(header: string | null): Caller | undefined {
  const token = readBearer(header);
  const sub = token && readSubject(token);
  return sub ? { token, sub } : undefined;
}

/**
 * Reads a Bearer token (RFC 6750, 2.1; the scheme in any case, RFC 9110, 11.1)
 * that has the form of a JWT, three base64url parts (RFC 7515, 7.1).
 */
function readBearer(header: string | null): string | undefined {
  return /^bearer +([\w-]+\.[\w-]+\.[\w-]+) *$/i.exec(header ?? "")?.[1];
}

/** Reads the claim `sub` of a JWT, if that is a UUID. */
function readSubject(token: string): string | undefined {
  const [, payload = ""] = token.split(".");
  const base64 = payload.replaceAll("-", "+").replaceAll("_", "/");
  try {
    return claims.parse(JSON.parse(atob(base64))).sub.toLowerCase();
  } catch {
    return undefined;
  }
}

function answerError(code: ErrorCode): Response {
  const { status, error, headers } = ERRORS[code];
  return Response.json({ error, code } satisfies ErrorBody, { status, headers });
}

/** One line of JSON per failure to stderr; never a token, a key or a header. */
function logFailure(requestId: string, failure: Record<string, string | number | undefined>): void {
  console.error(
    JSON.stringify({ level: "error", function: "get-sync-status", request_id: requestId, ...failure }),
  );
}
