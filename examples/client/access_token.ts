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
  data: { session: { access_token: string; expires_in: number; expires_at?: number } | null };
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

/** How often it is asked again while Auth is out of reach, in milliseconds. */
const ASK_AGAIN_MS = 5_000;

/**
 * Which last part of its life a session is renewed in, as shares of it: each
 * page draws a moment, 2 to 7 minutes before the end of an hour. supabase-js
 * renews 90 s ahead, and so all at once the sessions that began at once.
 */
const LAST_PART = { from: 7 / 60, to: 2 / 60 };

/**
 * Makes the `getAccessToken` of `watchSyncStatus` from a supabase-js client.
 *
 * supabase-js does not reject when Auth is out of reach: it answers with an
 * error and no session. This tells that apart from a session that is over.
 *
 * @param auth `supabase.auth` of a client that was made with {@link keepSession}
 * @returns a function that gives the access token, or null where the session
 * is over; where that can't be told it waits until it can
 */
export function accessTokenFrom(
  auth: SupabaseAuth,
): (options: { refresh: boolean }) => Promise<string | null> {
  const lastPart = between(LAST_PART.to, LAST_PART.from);
  let renewedAt = -Infinity;
  return async ({ refresh }) => {
    const ask = () => refresh ? auth.refreshSession() : auth.getSession();
    let { data: { session }, error } = await ask();
    while (error && isOutage(error)) {
      // supabase-js sends nothing for a minute after a failure, and answers this from memory.
      await pause(ASK_AGAIN_MS);
      ({ data: { session }, error } = await ask());
    }
    // Another tab or call may have refreshed the session meanwhile.
    if (error) ({ data: { session }, error } = await auth.getSession());
    if (error && isOutage(error)) throw error;
    if (session?.expires_at) {
      const [lifeMs, leftMs] = [session.expires_in * 1_000, session.expires_at * 1_000 - Date.now()];
      // Once in half a life: by a clock that is wrong each session is near its end.
      if (leftMs < lifeMs * lastPart && Date.now() - renewedAt > lifeMs / 2) {
        renewedAt = Date.now();
        // Nobody waits for it: the token is still good.
        auth.refreshSession().catch(() => {});
      }
    }
    return session?.access_token ?? null;
  };
}

function isOutage({ name, code = "" }: { name: string; code?: string | undefined }): boolean {
  // supabase-js's own names; the first is also what it makes of Auth's session_not_found.
  return name !== "AuthSessionMissingError" && name !== "AuthRefreshDiscardedError" &&
    !SESSION_OVER.includes(code);
}

/** The waits between two tries of a refresh, in milliseconds: three times as long each time, less a random half. */
const RETRY_MS = { shortest: 2_000, longest: 40_000 };

/** How long a refresh is tried before supabase-js is told that it failed, in milliseconds. */
const GIVE_UP_MS = 120_000;

/**
 * A `fetch` for supabase-js that keeps a session through an outage:
 * `createClient(url, key, { global: { fetch: keepSession() } })`.
 *
 * supabase-js forgets an expired session when a refresh is answered with a rate
 * limit, a refused key or a firewall's page, although its refresh token is
 * still good. After a 503 it keeps the session, but sends no refresh for a
 * minute. So a refresh that does not end a session is tried again for two
 * minutes, and is then answered with a 503.
 *
 * So in an outage all that needs an expired session waits for that long:
 * `getSession()`, queries, and `signOut()` too. Let nobody else sign in on the
 * page while a sign-out waits: it ends the session that it finds when it goes on.
 *
 * @param send what sends the requests; the browser's own `fetch` unless another is given
 */
export function keepSession(send: typeof fetch = fetch): typeof fetch {
  return async (input, init) => {
    const url = typeof input === "string" ? input : "href" in input ? input.href : input.url;
    if (!/\/auth\/v1\/token\?(.*&)?grant_type=refresh_token/.test(url)) return await send(input, init);
    const giveUpAt = Date.now() + GIVE_UP_MS;
    for (let longest = RETRY_MS.shortest;; longest = Math.min(RETRY_MS.longest, longest * 3)) {
      const response = await answerOf(send(input, init));
      if (response) return response;
      const wait = between(longest / 2, longest);
      if (Date.now() + wait > giveUpAt) return unavailable();
      await pause(wait);
      // After a tab was frozen another one may have used up this refresh token, and Auth ends the
      // session of whoever sends an old one.
      if (Date.now() > giveUpAt) return unavailable();
    }
  };
}

const unavailable = () => new Response(null, { status: 503 });

/** Gives the answer to a refresh that is a session or the end of one; undefined for any other, and for none. */
async function answerOf(sent: Promise<Response>): Promise<Response | undefined> {
  try {
    const response = await sent;
    const { access_token, code, error_code: olderCode } = await response.clone().json();
    const counts = response.ok
      ? access_token
      : SESSION_OVER.includes(code) || SESSION_OVER.includes(olderCode);
    return counts ? response : undefined;
  } catch {
    return undefined;
  }
}

const between = (least: number, most: number) => least + Math.random() * (most - least);

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
