/**
 * The one right way to an access token from supabase-js: an outage of Auth is
 * not the end of a session. Copy it beside watch_sync_status.ts. Depends on nothing.
 *
 * @module
 */

/** What is read of supabase-js's `AuthResponse`. */
interface AuthResponse {
  data: { session: { access_token: string; refresh_token: string } | null };
  error: { name: string; code?: string } | null;
}

/** What is needed of supabase-js's `supabase.auth`. */
export interface SupabaseAuth {
  getSession(): Promise<AuthResponse>;
  refreshSession(session?: { refresh_token: string }): Promise<AuthResponse>;
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
  "user_banned",
  "user_not_found",
  // The refresh token is none of this Auth's at all, as supabase/auth 2.196.0 answers.
  "validation_failed",
];

/**
 * Makes the `getAccessToken` of `watchSyncStatus` from a supabase-js client.
 *
 * supabase-js does not reject when Auth is out of reach, it answers with an
 * error and no session; and after a rate limit or a refused key it forgets an
 * expired session whose refresh token is still good. This tells the two apart,
 * and takes such a session up again.
 *
 * @param auth `supabase.auth` of @supabase/supabase-js 2
 * @returns a function that gives the access token, or null where the session
 * is over; it rejects with supabase-js's error where that can't be told
 */
export function accessTokenFrom(
  auth: SupabaseAuth,
): (options: { refresh: boolean }) => Promise<string | null> {
  /** The refresh token of the last session that was seen. */
  let seen: string | undefined;
  /** Whether the last answer was an outage, in which supabase-js may have forgotten the session. */
  let outage = false;

  return async ({ refresh }) => {
    let { data: { session }, error } = await (refresh ? auth.refreshSession() : auth.getSession());
    if (isNoSession({ data: { session }, error }) && outage && seen) {
      ({ data: { session }, error } = await auth.refreshSession({ refresh_token: seen }));
    }
    if (!session && error && !isOutage(error)) {
      // Another tab or call may have refreshed the session meanwhile.
      ({ data: { session }, error } = await auth.getSession());
    }
    outage = error !== null && isOutage(error);
    if (outage) throw error;
    seen = session?.refresh_token;
    return session?.access_token ?? null;
  };
}

function isNoSession({ data, error }: AuthResponse): boolean {
  return !data.session && (error === null || error.name === "AuthSessionMissingError");
}

function isOutage({ name, code = "" }: { name: string; code?: string }): boolean {
  // supabase-js's own names; the first is also what it makes of Auth's session_not_found.
  return name !== "AuthSessionMissingError" && name !== "AuthRefreshDiscardedError" &&
    !SESSION_OVER.includes(code);
}
