/**
 * supabase-js through an outage of Auth, which is not the end of a session. Copy it beside
 * watch_sync_status.ts. Depends on nothing; tried with @supabase/supabase-js 2.119.1. Runs in every browser
 * since March 2024 (`AbortSignal.any`), with an Auth server that gives error codes, as all do since 2024.
 */

/** What is read of supabase-js's own type of this name. */
interface AuthResponse {
  data: { session: { access_token: string; user: { id: string } } | null };
  error: { name: string; code?: string | undefined } | null;
}

/** What is needed of supabase-js's `supabase.auth`. */
export interface SupabaseAuth {
  getSession(): Promise<AuthResponse>;
  refreshSession(): Promise<AuthResponse>;
  signOut(options: { scope: "local" }): Promise<unknown>;
}

/**
 * What Auth answers to a refresh if the session itself is over. Anything else is an outage.
 *
 * @see https://supabase.com/docs/guides/auth/debugging/error-codes
 */
const SESSION_OVER = [
  "refresh_token_not_found",
  "refresh_token_already_used",
  "session_expired",
  "session_not_found",
  // What supabase-js makes of session_not_found.
  "AuthSessionMissingError",
  "user_banned",
  "user_not_found",
  // The refresh token is none of this Auth's at all, as supabase/auth 2.196.0 answers.
  "validation_failed",
];

/**
 * A `fetch` for supabase-js that keeps a session through an outage:
 * `createClient(url, key, { global: { fetch: keepSession() } })`.
 *
 * supabase-js deletes an expired session if a refresh is answered with a rate limit, a refused key or a
 * firewall's page, and waits forever for an answer that does not come. It keeps the session after a 503, or
 * if the request fails. So an answer that is neither a session nor the end of one becomes a 503 or a failure,
 * and a refresh fails after 15 s. All other requests pass untouched, and may take as long as they like.
 *
 * Nothing is repeated or held: supabase-js retries for up to 30 s by itself, and then rests for a minute.
 * Calls that need an expired session wait as long, `signOut()` too. By then the session may be another user's,
 * and `signOut()` ends that one.
 *
 * @param send what sends the requests; the global `fetch` unless another is given
 */
export function keepSession(send: typeof fetch = (...args) => fetch(...args)): typeof fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    if (!/\/auth\/v1\/token\?(.*&)?grant_type=refresh_token/.test(url)) return await send(input, init);
    const signals = [AbortSignal.timeout(15_000), ...init?.signal ? [init.signal] : []];
    const response = await send(input, { ...init, signal: AbortSignal.any(signals) });
    // If the answer is not JSON, the request fails here.
    const { access_token, refresh_token, expires_in, code, error_code } = await response.clone().json();
    const isOver = SESSION_OVER.includes(code) || SESSION_OVER.includes(error_code);
    const isVerdict = response.ok ? access_token && refresh_token && expires_in : isOver;
    return isVerdict ? response : new Response(null, { status: 503 });
  };
}

/**
 * Makes the `getAccessToken` of `watchSyncStatus` from a supabase-js client.
 *
 * If Auth is out of reach, supabase-js answers with an error and no session. This function distinguishes that
 * from a session that is over. It renews nothing ahead of time: supabase-js does, 90 s ahead.
 *
 * @param auth `supabase.auth` of a client that was made with {@link keepSession}
 * @param userId whose token it is: in another tab somebody else may sign in
 * @returns a function that gives the access token, or null if the user's session is over or another user's
 * has taken its place; it rejects with supabase-js's error if that is not known
 */
export function accessTokenFrom(
  auth: SupabaseAuth,
  userId: string,
): (options: { refresh: boolean }) => Promise<string | null> {
  return async ({ refresh }) => {
    let answer = await (refresh ? auth.refreshSession() : auth.getSession());
    const { name = "", code = "" } = answer.error ?? {};
    // Another tab may have renewed the session, or replaced it, meanwhile: what is stored now counts.
    if (name === "AuthRefreshDiscardedError" || SESSION_OVER.includes(name) || SESSION_OVER.includes(code)) {
      answer = await auth.getSession();
    }
    if (answer.error) throw answer.error;
    const { session } = answer.data;
    return session?.user.id === userId ? session.access_token : null;
  };
}

/**
 * Removes the session of a user whose watch has ended with `signed_out`: supabase-js keeps one that was ended
 * elsewhere until its access token expires. Another user's session stays. Wait for it before the next sign-in.
 */
export async function forgetSession(auth: SupabaseAuth, userId: string): Promise<void> {
  const { data: { session }, error } = await auth.getSession();
  // Also if nothing is stored: then supabase-js reports the sign-out, which nobody else has.
  if (!error && (!session || session.user.id === userId)) await auth.signOut({ scope: "local" });
}
