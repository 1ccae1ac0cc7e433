/**
 * What speaks to Auth and PostgREST: one client, and every answer as a value.
 * Says whether each request got a usable answer, and whether Auth accepts the token.
 * What follows from that is in sync_status.ts.
 */

import {
  type AuthError,
  createClient,
  isAuthSessionMissingError,
  type PostgrestSingleResponse,
} from "@supabase/supabase-js";
import type { ZodMiniType } from "zod/mini";
import {
  activeJobRows,
  authUser,
  FINISHED_STATUSES,
  type Owned,
  RECENT_COLUMNS,
  recentJobRows,
  userRows,
} from "./contract.ts";
import type { Database } from "./database.types.ts";
import { currentSignal } from "./deadline.ts";
import type { ActiveJob, RecentJob } from "./types.ts";

/** What the function needs to know of its Supabase project. */
export interface Project {
  /** The project's address, for example `https://abc.supabase.co`. */
  url: string;
  /** The publishable key, or the legacy anon key. Never a secret key. */
  publishableKey: string;
}

/** Who polls, as the token says; nothing is verified yet. */
export interface Caller {
  /** The access token, as it came. */
  token: string;
  /** The token's subject: a UUID in lower case. */
  sub: string;
}

/** The upstream request that a failure belongs to. */
export type Step = "auth.getUser" | "users" | "get_active_sync_job" | "historical_sync_jobs";

/** An upstream request that gave no usable answer, as the log has it. Carries no token, no key and no row. */
export interface Failure {
  kind: "failed";
  step: Step;
  reason: string;
  /** The upstream's HTTP status, if it gave one. */
  upstream_status?: number | undefined;
  /** The upstream's error code (Auth's, PostgREST's or PostgreSQL's), if it gave one. */
  upstream_code?: string | undefined;
}

/** What an upstream request came to. */
export type Answer<Value> = { kind: "answered"; value: Value } | Failure;

/**
 * What can be asked for one caller. Every read carries the caller's own token:
 * PostgREST verifies it, and row-level security decides what it sees.
 *
 * None of the promises rejects: sync_status.ts returns early, and a rejection
 * that nobody awaits would end the process.
 */
export interface Upstream {
  /** `supabase.auth.getUser()`: whether Auth accepts the token. A token of another user than `sub` is a failure. */
  verifyToken(): Promise<Answer<boolean>>;
  /** The caller's row of `users`, if there is one. */
  readUser(): Promise<Answer<{ agency_id: string | null } | undefined>>;
  /** What the RPC `get_active_sync_job` gives for the caller's agency, if anything. */
  readActiveJob(): Promise<Answer<Owned<ActiveJob> | undefined>>;
  /** The agency's most recent finished job, if there is one. */
  readRecentJob(agencyId: string): Promise<Answer<Owned<RecentJob> | undefined>>;
}

/**
 * What Auth answers when the token itself is at fault. Only these codes, and
 * `session_not_found` (see {@link readAuthError}), sign a user out. Anything else
 * (a rotated API key, a rate limit, a proxy's page) is an outage, even with
 * status 401. `no_authorization` is an outage too: the header was sent, and
 * something on the way to Auth removed it.
 *
 * @see https://supabase.com/docs/guides/auth/debugging/error-codes
 */
const TOKEN_REFUSED = new Set([
  "bad_jwt",
  "session_expired",
  "user_banned",
  "user_not_found",
  // On /user this comes only from a token without an audience (supabase/auth, internal/api/user.go).
  "validation_failed",
]);

/**
 * Connects to a project.
 *
 * One client serves all requests: it has no session, each query carries the
 * token of its own caller, and a query without one runs as anon and reads nothing.
 *
 * @returns a function that gives the {@link Upstream} of a caller. The end of a
 * task cancels its requests: see deadline.ts.
 */
export function connect(project: Project): (caller: Caller) => Upstream {
  const supabase = createClient<Database>(project.url, project.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    // The caller polls: its next request is the retry, and more requests help no outage.
    db: { retry: false },
    // Auth's and PostgREST's requests both pass here.
    global: { fetch: fetchUpstream },
  });

  return ({ token, sub }) => {
    const authorization = `Bearer ${token}`;
    return {
      async verifyToken() {
        try {
          const { data, error } = await supabase.auth.getUser(token);
          if (error) return readAuthError(error);
          const user = authUser.safeParse(data.user);
          if (!user.success) return fail("auth.getUser", "the answer does not fit the contract");
          if (user.data.id !== sub) return fail("auth.getUser", "the answer names another user");
          const bannedUntil = user.data.banned_until;
          return { kind: "answered", value: !bannedUntil || Date.parse(bannedUntil) <= Date.now() };
        } catch (error) {
          return fail("auth.getUser", nameError(error));
        }
      },
      readUser: () =>
        read(
          "users",
          userRows,
          supabase.from("users")
            .select("agency_id")
            .eq("id", sub)
            .setHeader("Authorization", authorization),
        ),
      readActiveJob: () =>
        read(
          "get_active_sync_job",
          activeJobRows,
          // GET: the function is STABLE, so a read-only transaction or a read replica can serve it.
          supabase.rpc("get_active_sync_job", {}, { get: true }).setHeader("Authorization", authorization),
        ),
      readRecentJob: (agencyId) =>
        read(
          "historical_sync_jobs",
          recentJobRows,
          supabase.from("historical_sync_jobs")
            .select(RECENT_COLUMNS)
            .eq("agency_id", agencyId)
            .in("status", FINISHED_STATUSES)
            .order("created_at", { ascending: false })
            // Jobs of one transaction share created_at; the id makes the choice the same each time.
            .order("id", { ascending: false })
            .limit(1)
            .setHeader("Authorization", authorization),
        ),
    };
  };
}

/** Says whether an error of Auth is the token's fault: then the token is not accepted. Else Auth has failed. */
function readAuthError(error: AuthError): Answer<false> {
  // The first is what supabase-js makes of Auth's session_not_found.
  if (isAuthSessionMissingError(error) || TOKEN_REFUSED.has(error.code ?? "")) {
    return { kind: "answered", value: false };
  }
  return fail("auth.getUser", error.name, error.status, error.code);
}

/**
 * Runs one PostgREST request and parses its row.
 *
 * The rows are read as an array: `maybeSingle()` takes an empty body for "no
 * row", and that would be "no agency" or "no job".
 */
async function read<Row>(
  step: Step,
  contract: ZodMiniType<Row[]>,
  query: PromiseLike<PostgrestSingleResponse<unknown>>,
): Promise<Answer<Row | undefined>> {
  try {
    const { data, error, status } = await query;
    if (error) return fail(step, "the request failed", status, error.code);
    const rows = contract.safeParse(data);
    // A 206 holds only a part of the rows: what it lacks is not "no row".
    return rows.success && status === 200
      ? { kind: "answered", value: rows.data[0] }
      : fail(step, "the answer does not fit the contract", status);
  } catch (error) {
    return fail(step, nameError(error));
  }
}

function fail(step: Step, reason: string, status?: number, code?: unknown): Failure {
  // supabase-js gives 0 if there was no answer, and whatever an answer has as its code: that may
  // quote what must not be logged.
  const upstream_code = typeof code === "string" && /^\w{1,64}$/.test(code) ? code : undefined;
  return { kind: "failed", step, reason, upstream_status: status || undefined, upstream_code };
}

/** Uses no idle connection. Edge runtimes before March 2025 lack `createHttpClient`. */
const freshConnection = Deno.createHttpClient?.({ poolMaxIdlePerHost: 0 });

/**
 * `fetch` within the deadline of the task at hand.
 *
 * A request that got no answer at all is sent once more, at once and on a new
 * connection: whatever stands before an upstream closes idle connections
 * without a word, often all of them, and only the next request finds out
 * (RFC 9110, 9.2.2: each request here is a GET).
 */
async function fetchUpstream(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  // An API does not redirect, and whoever does must not be handed the token. A redirect that is
  // not followed is an answer, and to supabase-js an error.
  const request: RequestInit = { ...init, redirect: "manual", signal: currentSignal() };
  const response = await fetch(input, request)
    // If the deadline is over or the client is gone, this fails at once and sends nothing.
    .catch(() => fetch(input, { ...request, client: freshConnection }));
  const { status, headers } = response;
  // No Response can be made with a status that HTTP does not define; 304 has no body.
  if (response.ok || status === 304 || status > 599) return response;
  // postgrest-js takes a 404 with an array for "no rows", and that would be "no agency"; auth-js
  // drops the status of an error that is not JSON, and the log would lack it.
  const body = await response.text();
  return new Response(body.trimStart().startsWith("{") ? body : "{}", { status, headers });
}

/** Names an error by its class; its message may quote what must not be logged. */
export function nameError(error: unknown): string {
  return error instanceof Error ? error.name : "unknown error";
}
