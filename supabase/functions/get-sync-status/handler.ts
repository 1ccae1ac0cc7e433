/**
 * HTTP: preflight, method, Bearer token, response, error to status.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { createClient } from "@supabase/supabase-js";
import { corsHeaders } from "@supabase/supabase-js/cors";
import { claims } from "./contract.ts";
import type { Database } from "./database.types.ts";
import { getSyncStatus, Refusal, UpstreamFailure } from "./sync_status.ts";
import type { ErrorBody, ErrorCode } from "./types.ts";

/** What the function needs to know of its Supabase project. */
export interface Project {
  /** The project's address, for example `https://abc.supabase.co`. */
  url: string;
  /** The publishable key, or the legacy anon key. Never a secret key. */
  publishableKey: string;
}

/** How long all upstream requests of one poll may take together, in milliseconds. */
const DEADLINE_MS = 8_000;

/**
 * Longer than any token that an upstream takes, in characters: token hooks and
 * app_metadata make long ones, and whether one is too long is theirs to say.
 */
const MAX_TOKEN_LENGTH = 65_536;

const METHODS = "GET, OPTIONS";

/** Sent with every response, errors included. */
const HEADERS = {
  ...corsHeaders,
  // functions-js sends x-region where a region is asked for; supabase-js's own list lacks it.
  "Access-Control-Allow-Headers": `${corsHeaders["Access-Control-Allow-Headers"]}, x-region`,
  "Access-Control-Allow-Methods": METHODS,
  "Access-Control-Expose-Headers": "X-Request-Id",
  "Cache-Control": "no-store",
};

/** Saves a polling page the preflight before each poll; browsers cap the day to what they allow. */
const PREFLIGHT_HEADERS = { ...HEADERS, "Access-Control-Max-Age": "86400" };

/** An error as it goes out: its status, the sentence for people, and headers of its own. */
interface ErrorAnswer {
  status: number;
  error: string;
  headers?: Record<string, string>;
}

/** Each error by its code. */
export const ERRORS: Record<ErrorCode, ErrorAnswer> = {
  unauthorized: {
    status: 401,
    error: "Sign in and send a valid access token as Bearer token in the Authorization header.",
    // RFC 9110, 11.6.1: a 401 names the scheme it wants.
    headers: { "WWW-Authenticate": "Bearer" },
  },
  forbidden: {
    status: 403,
    error: "Your user account is not associated with an agency.",
  },
  method_not_allowed: {
    status: 405,
    error: "Only GET is allowed here.",
    // RFC 9110, 15.5.6: a 405 names the methods that are allowed.
    headers: { "Allow": METHODS },
  },
  internal_error: {
    status: 500,
    error: "The sync status could not be determined. Please try again.",
  },
};

/**
 * Makes the request handler of get-sync-status.
 *
 * One client serves all requests: it has no session, each query carries the
 * token of its own caller, and a query that forgot would be anon's and see nothing.
 *
 * @returns a handler that answers every request and never rejects
 */
export function createHandler(project: Project): (request: Request) => Promise<Response> {
  /** The signal that ends the upstream requests of the poll at hand. */
  const signalOfPoll = new AsyncLocalStorage<AbortSignal>();

  const supabase = createClient<Database>(project.url, project.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    // The caller polls: its next request is the retry, and a retry storm helps no outage.
    db: { retry: false },
    // Auth's and PostgREST's requests both pass here: getUser() takes no signal of its own.
    global: { fetch: (input, init) => upstreamFetch(input, { ...init, signal: signalOfPoll.getStore() }) },
  });

  async function poll(request: Request, requestId: string): Promise<Response> {
    const startedAt = performance.now();
    const caller = bearerOf(request.headers.get("Authorization"));
    if (!caller) return errorResponse("unauthorized", requestId);

    const end = new AbortController();
    const timer = setTimeout(() => end.abort(new DOMException("deadline", "TimeoutError")), DEADLINE_MS);
    const onClientGone = () => end.abort(request.signal.reason);
    request.signal.addEventListener("abort", onClientGone);
    try {
      const status = await signalOfPoll.run(
        end.signal,
        () => getSyncStatus(supabase, caller.token, caller.sub),
      );
      if (status instanceof Refusal) {
        end.abort();
        return errorResponse(status.code, requestId);
      }
      if (status instanceof UpstreamFailure) {
        end.abort();
        // Nobody waits for the answer to a client that is gone, and cancelling is no failure.
        if (!request.signal.aborted) {
          logFailure(requestId, {
            step: status.step,
            reason: status.reason,
            upstream_status: status.upstreamStatus,
            upstream_code: status.upstreamCode,
            duration_ms: Math.round(performance.now() - startedAt),
          });
        }
        return errorResponse("internal_error", requestId);
      }
      return Response.json(status, { headers: { ...HEADERS, "X-Request-Id": requestId } });
    } finally {
      clearTimeout(timer);
      request.signal.removeEventListener("abort", onClientGone);
    }
  }

  return async (request) => {
    const requestId = crypto.randomUUID();
    try {
      if (request.method === "OPTIONS") {
        return new Response(null, {
          status: 204,
          headers: { ...PREFLIGHT_HEADERS, "X-Request-Id": requestId },
        });
      }
      if (request.method !== "GET") return errorResponse("method_not_allowed", requestId);
      return await poll(request, requestId);
    } catch (error) {
      logFailure(requestId, {
        step: "handler",
        reason: error instanceof Error ? error.name : "unknown error",
      });
      return errorResponse("internal_error", requestId);
    }
  };
}

/**
 * Takes the token out of an Authorization header (RFC 6750, 2.1; the scheme in
 * any case, RFC 9110, 11.1) and reads whom it is about. Verifies nothing:
 * `sub` decides only which row to ask for.
 *
 * @returns undefined unless the token is a JWT whose payload has a UUID `sub`
 */
function bearerOf(header: string | null): { token: string; sub: string } | undefined {
  // A JWT is three base64url parts (RFC 7515, 7.1).
  const [, token, payload] = /^bearer +([\w-]+\.([\w-]+)\.[\w-]+) *$/i.exec(header ?? "") ?? [];
  if (!token || !payload || token.length > MAX_TOKEN_LENGTH) return undefined;
  try {
    const parsed = claims.safeParse(JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))));
    return parsed.success ? { token, sub: parsed.data.sub.toLowerCase() } : undefined;
  } catch {
    return undefined;
  }
}

/** `fetch` as an upstream of ours deserves it. */
async function upstreamFetch(input: RequestInfo | URL, init: RequestInit): Promise<Response> {
  // An API does not redirect, and whoever does must not be handed the token.
  const response = await fetch(input, { ...init, redirect: "error" });
  if (response.status !== 404) return response;
  // postgrest-js takes a 404 with an array for "no rows", and that would be "no agency".
  const body = await response.text();
  return new Response(body.trimStart().startsWith("{") ? body : "{}", {
    status: 404,
    headers: response.headers,
  });
}

function errorResponse(code: ErrorCode, requestId: string): Response {
  const { status, error, headers } = ERRORS[code];
  return Response.json({ error, code } satisfies ErrorBody, {
    status,
    headers: { ...HEADERS, ...headers, "X-Request-Id": requestId },
  });
}

/** One line of JSON per failure to stderr; never a token, a key or a header. */
function logFailure(requestId: string, failure: Record<string, string | number | undefined>): void {
  console.error(
    JSON.stringify({ level: "error", function: "get-sync-status", request_id: requestId, ...failure }),
  );
}
