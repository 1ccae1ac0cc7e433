/**
 * The one right way to an access token from supabase-js: an outage of Auth is
 * not the end of a session. Copy it beside watch_sync_status.ts. Depends on nothing.
 *
 * Tried with @supabase/supabase-js 2.119.1. Needs an Auth server that gives
 * error codes, as every one does since 2024.
 *
 * @module
 */

/** What is read of supabase-js's `AuthResponse`. */
interface AuthResponse {
  data: { session: { access_token: string } | null };
  error: { name: string; code?: string | undefined } | null;
}

/** What is needed of supabase-js's `supabase.auth`. */
export interface SupabaseAuth {
  getSession(): Promise<AuthResponse>;
  refreshSession(): Promise<AuthResponse>;
}

/**
 * What Auth answers to a refresh when the session itself is over. Anything else
 * is an outage: a rate limit, a gateway that refuses the key, no network.
 *
 * @see https://supabase.com/docs/guides/auth/debugging/error-codes
 */
const SESSION_OVER = [
  "refresh_token_not_found",
  "refresh_token_already_used",
  "session_expired",
  "session_not_found",
  "user_banned",
  "user_not_found",
  // The refresh token is none of this Auth's at all, as supabase/auth 2.196.0 answers.
  "validation_failed",
];

/**
 * Makes the `getAccessToken` of `watchSyncStatus` from a supabase-js client.
 *
 * supabase-js does not reject when Auth is out of reach: it answers with an
 * error and no session. This tells that apart from a session that is over.
 *
 * @param auth `supabase.auth` of a client that was made with {@link keepSession}
 * @returns a function that gives the access token, or null where the session
 * is over; it rejects with supabase-js's error where that can't be told
 */
export function accessTokenFrom(
  auth: SupabaseAuth,
): (options: { refresh: boolean }) => Promise<string | null> {
  return async ({ refresh }) => {
    let { data: { session }, error } = await (refresh ? auth.refreshSession() : auth.getSession());
    if (error && !isOutage(error)) {
      // Another tab or call may have refreshed the session meanwhile.
      ({ data: { session }, error } = await auth.getSession());
    }
    if (error && isOutage(error)) throw error;
    return session?.access_token ?? null;
  };
}

function isOutage({ name, code = "" }: { name: string; code?: string | undefined }): boolean {
  // supabase-js's own names; the first is also what it makes of Auth's session_not_found.
  return name !== "AuthSessionMissingError" && name !== "AuthRefreshDiscardedError" &&
    !SESSION_OVER.includes(code);
}

/** After a refresh that failed none is sent for so long: supabase-js tries eight times within half a minute. */
const REST_MS = 10_000;

/**
 * A `fetch` for supabase-js that keeps a session through an outage:
 * `createClient(url, key, { global: { fetch: keepSession() } })`.
 *
 * supabase-js forgets an expired session when a refresh is answered with a rate
 * limit, a refused key or a firewall's page, although its refresh token is
 * still good. It keeps the session through a 503. So whatever does not end a
 * session is made a 503 here.
 *
 * @param send what sends the requests; the browser's own `fetch` unless another is given
 */
export function keepSession(send: typeof fetch = fetch): typeof fetch {
  let restUntil = 0;
  return async (input, init) => {
    const url = typeof input === "string" ? input : "href" in input ? input.href : input.url;
    if (!/\/auth\/v1\/token\?(.*&)?grant_type=refresh_token/.test(url)) return await send(input, init);
    if (Date.now() < restUntil) return unavailable();
    const response = await send(input, init);
    if (response.ok || await endsSession(response.clone())) return response;
    restUntil = Date.now() + REST_MS;
    return unavailable();
  };
}

const unavailable = () => new Response(null, { status: 503 });

async function endsSession(response: Response): Promise<boolean> {
  try {
    const { code, error_code: olderCode } = await response.json();
    return SESSION_OVER.includes(code) || SESSION_OVER.includes(olderCode);
  } catch {
    return false;
  }
}
