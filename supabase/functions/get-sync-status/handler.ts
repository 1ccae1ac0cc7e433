/**
 * HTTP: preflight, method, Bearer token, and what a poll comes to as a response.
 */

import { corsHeaders } from "@supabase/supabase-js/cors";
import { claims } from "./contract.ts";
import { withDeadline } from "./deadline.ts";
import { getSyncStatus } from "./sync_status.ts";
import type { ErrorBody, ErrorCode } from "./types.ts";
import { type Caller, connect, nameError, type Project } from "./upstream.ts";

const METHODS = "GET, OPTIONS";

/** Sent with every response, errors included; `X-Request-Id` comes with them. */
export const HEADERS = {
  ...corsHeaders,
  // The star: monitoring SDKs and HTTP libraries add headers of their own. It does not cover
  // `authorization` (Fetch standard, CORS-preflight fetch), so the list stays.
  "Access-Control-Allow-Headers": `${corsHeaders["Access-Control-Allow-Headers"]}, *`,
  "Access-Control-Allow-Methods": METHODS,
  "Access-Control-Expose-Headers": "X-Request-Id, Date",
  "Cache-Control": "no-store",
};

/** Saves a polling page the preflight before each poll; browsers shorten the day to what they allow. */
export const PREFLIGHT_HEADERS = { "Access-Control-Max-Age": "86400" };

/** An error as it goes out: its status, the sentence for people, and headers of its own. */
type ErrorAnswer = { status: number; error: string; headers?: Record<string, string> };

/** Each error by its code. */
export const ERRORS: Record<ErrorCode, ErrorAnswer> = {
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

/**
 * Makes the request handler of get-sync-status.
 *
 * @returns a handler that answers every request and never rejects
 */
export function createHandler(project: Project): (request: Request) => Promise<Response> {
  const connectAs = connect(project);

  async function poll(request: Request, requestId: string): Promise<Response> {
    const startedAt = performance.now();
    const caller = readCaller(request.headers.get("Authorization"));
    if (!caller) return answerError("unauthorized");

    // Aborted when the client is gone, by Deno's option `no-legacy-abort`. Supabase's platform notices that
    // late: there it is aborted only when writing the answer fails.
    const outcome = await withDeadline(request.signal, () => getSyncStatus(connectAs(caller)));
    switch (outcome.kind) {
      case "status":
        return Response.json(outcome.status);
      case "refused":
        return answerError(outcome.code);
      case "failed":
        // Nobody waits for the answer to a client that is gone, and cancelling is no failure.
        if (!request.signal.aborted) {
          const { kind: _, ...failure } = outcome;
          logFailure(requestId, { ...failure, duration_ms: Math.round(performance.now() - startedAt) });
        }
        return answerError("internal_error");
    }
  }

  async function answer(request: Request, requestId: string): Promise<Response> {
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: PREFLIGHT_HEADERS });
    if (request.method !== "GET") return answerError("method_not_allowed");
    try {
      return await poll(request, requestId);
    } catch (error) {
      logFailure(requestId, { step: "handler", reason: nameError(error) });
      return answerError("internal_error");
    }
  }

  return async (request) => {
    const requestId = crypto.randomUUID();
    const response = await answer(request, requestId);
    for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value);
    response.headers.set("X-Request-Id", requestId);
    return response;
  };
}

/**
 * Reads the token from an Authorization header (RFC 6750, 2.1; the scheme in
 * any case, RFC 9110, 11.1) and whom it is about. Verifies nothing: `sub`
 * decides only which row to ask for.
 *
 * @returns undefined unless the token is a JWT whose payload has a UUID `sub`
 */
function readCaller(header: string | null): Caller | undefined {
  // A JWT is three base64url parts (RFC 7515, 7.1).
  const [, token, payload] = /^bearer +([\w-]+\.([\w-]+)\.[\w-]+) *$/i.exec(header ?? "") ?? [];
  if (!token || !payload) return undefined;
  try {
    const parsed = claims.safeParse(JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))));
    return parsed.success ? { token, sub: parsed.data.sub.toLowerCase() } : undefined;
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
