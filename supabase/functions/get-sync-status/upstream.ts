/**
 * What is asked of Auth and PostgREST, and what their answers come to. Each
 * read carries the caller's own token: PostgREST verifies it, and row-level
 * security decides what it sees.
 */

import {
  type AuthError,
  createClient,
  isAuthSessionMissingError,
  type PostgrestSingleResponse,
  type SupabaseClient,
} from "@supabase/supabase-js";
import type { ZodMiniType } from "zod/mini";
import {
  activeJobRows,
  authUser,
  FINISHED_STATUSES,
  RECENT_COLUMNS,
  recentJobRows,
  userRows,
} from "./contract.ts";
import type { Database } from "./database.types.ts";
import { NO_ANSWER_IN_TIME } from "./deadline.ts";
import { fetchUpstream, NO_CONNECTION } from "./fetch_upstream.ts";

/** The Supabase project of the function. */
export interface Project {
  /** For example `https://abc.supabase.co`. */
  url: string;
  /** The publishable key, or the legacy anon key. Never a secret key. */
  publishableKey: string;
}

/** Asks the project. */
export type Client = SupabaseClient<Database>;

/** Who polls, as the token says; nothing is verified yet. */
export interface Caller {
  token: string;
  /** The token's subject: a UUID in lower case. */
  sub: string;
}

/** The upstream request that a failure belongs to. */
export type Step = "auth.getUser" | "users" | "get_active_sync_job" | "historical_sync_jobs";

/** docs/operations.md says of each what to do. */
export type Reason =
  | typeof NO_ANSWER_IN_TIME
  | typeof NO_CONNECTION
  | "the answer is an error"
  | "the answer does not fit the contract"
  | "the answer names another user"
  | "the answer is another agency's";

/** No usable answer, as it is logged: no token, no key, no row. */
export interface Failure {
  kind: "failed";
  step: Step;
  reason: Reason;
  upstream_status?: number | undefined;
  /** The error code of Auth, PostgREST or PostgreSQL. */
  upstream_code?: string | undefined;
}

/** What was asked for, or why it is not known. */
export type Answer<Value> = { kind: "answered"; value: Value } | Failure;

/**
 * What Auth answers when the token itself is at fault. Only these codes,
 * `session_not_found` (see {@link readAuthError}) and a ban make a 401. Anything else (a
 * rotated API key, a rate limit, a proxy's page) is an outage, whatever its
 * status; so is `no_authorization`: something on the way removed the header.
 *
 * @see https://supabase.com/docs/guides/auth/debugging/error-codes
 */
const TOKEN_REFUSED = new Set([
  "bad_jwt",
  "session_expired",
  "user_banned",
  "user_not_found",
  // On /user this comes only from a token without an audience (Auth 2.196.0, internal/api/user.go).
  "validation_failed",
]);

/** Makes the client that all requests share. It has no session: without a token a query reads nothing. */
export function connect({ url, publishableKey }: Project): Client {
  return createClient<Database>(url, publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    // The next poll is the retry; more requests help no outage.
    db: { retry: false },
    // Auth's and PostgREST's requests both pass here.
    global: { fetch: fetchUpstream },
  });
}

/** Asks Auth whether it accepts the token. A token of another user than `sub` is a failure. */
export async function verifyToken(
  client: Client,
  { token, sub }: Caller,
): Promise<Answer<"accepted" | "refused">> {
  const { data, error } = await client.auth.getUser(token)
    // supabase-js 2.119.1 throws if the answer is the JSON null.
    .catch(() => ({ data: { user: null }, error: null }));
  if (error) return readAuthError(error);
  const user = authUser.safeParse(data.user);
  if (!user.success) return fail("auth.getUser", "the answer does not fit the contract");
  if (user.data.id !== sub) return fail("auth.getUser", "the answer names another user");
  const bannedUntil = user.data.banned_until;
  const isBanned = bannedUntil && Date.parse(bannedUntil) > Date.now();
  return { kind: "answered", value: isBanned ? "refused" : "accepted" };
}

/** Reads the caller's row of `users`, if there is one. */
export function readUser(client: Client, { token, sub }: Caller) {
  const query = client.from("users").select("agency_id").eq("id", sub);
  return readRow("users", userRows, query.setHeader("Authorization", `Bearer ${token}`));
}

/** Reads the active job of the caller's agency, if there is one. */
export function readActiveJob(client: Client, { token }: Caller) {
  // GET: the RPC is STABLE, so a read replica can serve it.
  const query = client.rpc("get_active_sync_job", {}, { get: true });
  return readRow("get_active_sync_job", activeJobRows, query.setHeader("Authorization", `Bearer ${token}`));
}

/** Reads the agency's most recent finished job, if there is one. */
export function readRecentJob(client: Client, { token }: Caller, agencyId: string) {
  const query = client.from("historical_sync_jobs")
    .select(RECENT_COLUMNS)
    .eq("agency_id", agencyId)
    .in("status", FINISHED_STATUSES)
    .order("created_at", { ascending: false })
    // Jobs of one transaction share created_at.
    .order("id", { ascending: false })
    .limit(1);
  return readRow("historical_sync_jobs", recentJobRows, query.setHeader("Authorization", `Bearer ${token}`));
}

/**
 * Runs one PostgREST request and parses its row. Not by `maybeSingle()`: in
 * supabase-js 2.119.1 it takes an empty body for "no row", so "no agency" or "no job".
 */
async function readRow<Row>(
  step: Step,
  contract: ZodMiniType<Row[]>,
  query: PromiseLike<PostgrestSingleResponse<unknown>>,
): Promise<Answer<Row | undefined>> {
  const { data, error, status } = await query;
  if (error) return fail(step, readReason(error.message, status), status, error.code);
  const rows = contract.safeParse(data);
  // A 206 holds only a part of the rows: what it lacks is not "no row".
  return rows.success && status === 200
    ? { kind: "answered", value: rows.data[0] }
    : fail(step, "the answer does not fit the contract", status);
}

function readAuthError(error: AuthError): Answer<"refused"> {
  // The first is what supabase-js 2.119.1 makes of session_not_found.
  if (isAuthSessionMissingError(error) || TOKEN_REFUSED.has(error.code ?? "")) {
    return { kind: "answered", value: "refused" };
  }
  return fail("auth.getUser", readReason(error.message, error.status), error.status, error.code);
}

function readReason(message: string, status?: number): Reason {
  if (status && status !== 200) return "the answer is an error";
  // supabase-js 2.119.1 ends its message with that of the error which fetch threw.
  const thrown = [NO_ANSWER_IN_TIME, NO_CONNECTION] as const;
  return thrown.find((reason) => message.endsWith(reason)) ?? "the answer does not fit the contract";
}

function fail(step: Step, reason: Reason, status?: number, code?: unknown): Failure {
  // What is no code of Auth, PostgREST or PostgreSQL may quote what must not be logged.
  const isCode = typeof code === "string" && /^([a-z_]{1,50}|PGRST[\dX]\d\d|[\dA-Z]{5})$/.test(code);
  const upstream_code = isCode ? code : undefined;
  return { kind: "failed", step, reason, upstream_status: status || undefined, upstream_code };
}
