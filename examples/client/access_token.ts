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

/** What is used of `supabase.auth`. */
export interface SupabaseAuth {
  getSession(): Promise<AuthResponse>;
  refreshSession(): Promise<AuthResponse>;
  signOut(options: { scope: "local" }): Promise<unknown>;
  onAuthStateChange(callback: (event: string, session: Session | null) => void): {
    data: { subscription: { unsubscribe(): void } };
  };
}

/**
 * What Auth answers to a refresh if the session is over. Anything else is an outage.
 *
 * @see https://supabase.com/docs/guides/auth/debugging/error-codes
 */
const SESSION_OVER = new Set<string | undefined>([
  "refresh_token_not_found",
  "refresh_token_already_used",
  "session_expired",
  "session_not_found",
  // What supabase-js makes of session_not_found.
  "AuthSessionMissingError",
  "user_banned",
  "user_not_found",
  // The refresh token is unknown to this Auth server (2.196.0).
  "validation_failed",
]);

/**
 * A `fetch` for supabase-js that keeps a session through an outage:
 * `createClient(url, key, { global: { fetch: keepSession() } })`.
 *
 * supabase-js deletes an expired session after a rate limit, a refused key or a firewall's page, but not after
 * a 503 or a failed request. So any answer that is neither a session nor its end becomes a 503. A refresh fails
 * after 15 s; supabase-js alone would wait forever.
 *
 * supabase-js retries for up to 30 s, and then rests for a minute. Calls that need an expired session wait as long; a
 * `signOut()` then ends the session of whoever is signed in.
 *
 * @param send what sends the requests in the place of the global `fetch`
 */
export function keepSession(send: typeof fetch = (...args) => fetch(...args)): typeof fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const isRefresh = /\/auth\/v1\/token\?(.*&)?grant_type=refresh_token/.test(url);
    if (!isRefresh) return await send(input, init);
    return await inTime(init?.signal, async (signal) => {
      const response = await send(input, { ...init, signal });
      // If the answer is not JSON, the request fails here.
      const { access_token, refresh_token, expires_in, code, error_code } = await response.clone().json();
      const isSession = response.ok && access_token && refresh_token && expires_in;
      const isEnd = !response.ok && (SESSION_OVER.has(code) || SESSION_OVER.has(error_code));
      return isSession || isEnd ? response : new Response(null, { status: 503 });
    });
  };
}

/**
 * Makes the `getAccessToken` of `watchSyncStatus` from `supabase.auth` of a client that uses {@link keepSession}.
 *
 * It gives the stored token, refreshed only if that is the refused one; null if the user's session is over. It
 * rejects if that is not known: in an outage, or if another user's session is stored and no token was refused.
 */
export function accessTokenFrom(auth: SupabaseAuth, userId: string) {
  let wasEmpty = false;
  return async (refused?: string): Promise<string | null> => {
    let answer = await auth.getSession();
    const isStored = refused && answer.data.session?.access_token === refused;
    if (isStored) answer = await auth.refreshSession();
    const isOver = SESSION_OVER.has(answer.error?.name) || SESSION_OVER.has(answer.error?.code);
    // Another tab may have renewed or replaced the session meanwhile: what is stored now counts.
    if (answer.error) answer = await auth.getSession();
    if (answer.error) throw answer.error;

    const { session } = answer.data;
    const isEmptyAgain = !session && wasEmpty;
    wasEmpty = !session;
    const isOwn = session?.user.id === userId;
    if (isOwn && session.access_token !== refused) return session.access_token;

    // The refused token was the user's own: by now Auth or the storage says that its session is over.
    if (refused && (isOver || !isOwn)) return null;
    // The event of a sign-in in another tab may overtake the storage. Only what is empty twice is an end.
    if (isEmptyAgain) return null;
    throw new Error("The user's token is not known yet.");
  };
}

/**
 * Calls back with the id of the signed-in user, or null if nobody is, once that is known and at each change.
 * Gives the function that stops it. If the stored session has expired, that is not known before Auth answers.
 */
export function watchUserId(auth: SupabaseAuth, callback: (userId: string | null) => void): () => void {
  let known: string | null | undefined;
  let isEnded = false;
  function tell(session: Session | null) {
    const userId = session?.user.id ?? null;
    if (userId === known) return;
    known = userId;
    callback(userId);
  }
  const { data: { subscription } } = auth.onAuthStateChange(async (event, session) => {
    if (session || event === "SIGNED_OUT") return tell(session);
    // In an outage the first event has no session, although one is stored; a later event will have it.
    const { data, error } = await auth.getSession();
    if (!error && !isEnded && known === undefined) tell(data.session);
  });
  return () => {
    isEnded = true;
    subscription.unsubscribe();
  };
}

/**
 * Removes the session of a user whose watch has ended with `signed_out`: supabase-js keeps one that was ended
 * elsewhere until its access token expires. Another user's session stays.
 */
export async function forgetSession(auth: SupabaseAuth, userId: string): Promise<void> {
  const { data: { session }, error } = await auth.getSession();
  const isOthers = session && session.user.id !== userId;
  // Also if nothing is stored: then supabase-js reports the sign-out, which nobody else has.
  if (!error && !isOthers) await auth.signOut({ scope: "local" });
}
