/**
 * supabase-js through an outage of Auth, which is not the end of a session. Tried with @supabase/supabase-js
 * 2.119.1; needs an Auth server that gives error codes, as all do since 2024.
 */

import { inTime } from "./in_time";

interface Session {
  access_token: string;
  user: { id: string };
}

interface AuthResponse {
  data: { session: Session | null };
  error: { name: string; code?: string | undefined } | null;
}

/** What is needed of `supabase.auth`. */
export interface SupabaseAuth {
  getSession(): Promise<AuthResponse>;
  refreshSession(): Promise<AuthResponse>;
  signOut(options: { scope: "local" }): Promise<unknown>;
  onAuthStateChange(callback: (event: string, session: Session | null) => void): {
    data: { subscription: { unsubscribe(): void } };
  };
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
 * and a refresh fails after 15 s. All other requests pass untouched.
 *
 * Nothing is repeated or held: supabase-js itself retries for up to 30 s, and then rests for a minute. Calls
 * that need an expired session wait as long; a `signOut()` then ends the session of whoever is signed in.
 *
 * @param send what sends the requests; the global `fetch` unless another is given
 */
export function keepSession(send: typeof fetch = (...args) => fetch(...args)): typeof fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    if (!/\/auth\/v1\/token\?(.*&)?grant_type=refresh_token/.test(url)) return await send(input, init);
    return await inTime(init?.signal, async (signal) => {
      const response = await send(input, { ...init, signal });
      // If the answer is not JSON, the request fails here.
      const { access_token, refresh_token, expires_in, code, error_code } = await response.clone().json();
      const isOver = SESSION_OVER.includes(code) || SESSION_OVER.includes(error_code);
      const isVerdict = response.ok ? access_token && refresh_token && expires_in : isOver;
      return isVerdict ? response : new Response(null, { status: 503 });
    });
  };
}

/**
 * Makes the `getAccessToken` of `watchSyncStatus` from a supabase-js client.
 *
 * It gives the stored token, refreshed only if that is the refused one; null if the user's session is over. It
 * rejects if that is not known: in an outage, or while another user's session is stored and none was refused.
 *
 * @param auth `supabase.auth` of a client that was made with {@link keepSession}
 * @param userId whose token it is: in another tab somebody else may sign in
 */
export function accessTokenFrom(auth: SupabaseAuth, userId: string) {
  let wasEmpty = false;
  return async (refused?: string): Promise<string | null> => {
    let answer = await auth.getSession();
    if (refused && answer.data.session?.access_token === refused) answer = await auth.refreshSession();
    const { name = "", code = "" } = answer.error ?? {};
    const isOver = SESSION_OVER.includes(name) || SESSION_OVER.includes(code);
    // Another tab may have renewed the session, or replaced it, meanwhile: what is stored now counts.
    if (isOver || name === "AuthRefreshDiscardedError") answer = await auth.getSession();
    if (answer.error) throw answer.error;

    const { session } = answer.data;
    const isOwn = session?.user.id === userId;
    if (isOwn && session.access_token !== refused) return session.access_token;
    if (refused && (isOver || !isOwn)) return null;
    // The event of a sign-in in another tab may overtake the storage. Only what is empty twice is an end.
    if (!session && wasEmpty) return null;
    wasEmpty = !session;
    throw new Error("The session is not stored yet.");
  };
}

/**
 * Calls back with the id of the signed-in user, or null if nobody is, once that is known and at each change. If
 * the stored session has expired, it is not known before Auth answers.
 *
 * @returns what ends it
 */
export function watchUserId(auth: SupabaseAuth, callback: (userId: string | null) => void): () => void {
  let known: string | null | undefined;
  const tell = (session: Session | null) => {
    const userId = session?.user.id ?? null;
    if (userId !== known) callback(known = userId);
  };
  const { data: { subscription } } = auth.onAuthStateChange(async (event, session) => {
    if (session || event === "SIGNED_OUT") return tell(session);
    // In an outage the first event has no session, although one is stored; a later event will have it.
    const { data, error } = await auth.getSession();
    if (!error && known === undefined) tell(data.session);
  });
  return () => {
    subscription.unsubscribe();
    // The answer that may be under way changes nothing.
    known ??= null;
  };
}

/**
 * Removes the session of a user whose watch has ended with `signed_out`: supabase-js keeps one that was ended
 * elsewhere until its access token expires. Another user's session stays.
 */
export async function forgetSession(auth: SupabaseAuth, userId: string): Promise<void> {
  const { data: { session }, error } = await auth.getSession();
  // Also if nothing is stored: then supabase-js reports the sign-out, which nobody else has.
  if (!error && (!session || session.user.id === userId)) await auth.signOut({ scope: "local" });
}
