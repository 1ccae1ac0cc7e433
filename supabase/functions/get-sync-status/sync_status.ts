/**
 * The use case: who asks, for which agency, which job answers. Three upstream
 * requests leave at once; the order in which they are judged is fixed,
 * whatever arrives first.
 *
 * @module
 */

import { type AuthError, isAuthSessionMissingError, type SupabaseClient } from "@supabase/supabase-js";
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
import type { SyncStatus } from "./types.ts";

/**
 * Why the caller gets no status: `unauthorized` where Auth does not accept the
 * token, `forbidden` where the user belongs to no agency.
 */
export class Refusal {
  constructor(readonly code: "unauthorized" | "forbidden") {}
}

/** The upstream request a failure belongs to. */
export type Step = "auth.getUser" | "users" | "get_active_sync_job" | "historical_sync_jobs";

/** An upstream request that gave no usable answer. Carries no token, no key and no row. */
export class UpstreamFailure {
  constructor(
    readonly step: Step,
    /** What went wrong, for the log. */
    readonly reason: string,
    /** The upstream's HTTP status; undefined where it gave none. */
    readonly upstreamStatus?: number,
    /** The upstream's error code (Auth's, PostgREST's or PostgreSQL's), where it gave one. */
    readonly upstreamCode?: string,
  ) {}
}

/**
 * What Auth answers when the token itself is at fault. Only these codes sign a
 * user out; anything else (a rotated API key, a rate limit, a proxy's page) is
 * an outage, even with status 401. So is `no_authorization`: the header was
 * sent, and something on the way to Auth took it off.
 *
 * @see https://supabase.com/docs/guides/auth/debugging/error-codes
 */
const TOKEN_REFUSED = new Set([
  "bad_jwt",
  "session_expired",
  "user_banned",
  "user_not_found",
  // On /user this comes from a token without an audience alone (supabase/auth, internal/api/user.go).
  "validation_failed",
]);

/**
 * Answers for the user whom the token names: the agency's active job, or else
 * its most recent finished one, or else null.
 *
 * Both reads of the first wave carry the caller's own token: PostgREST verifies
 * it and row-level security scopes what it sees, so that starting them before
 * Auth has answered reveals nothing.
 *
 * @param supabase a client with the publishable key and no session
 * @param token the caller's access token, unverified
 * @param sub the token's subject, unverified
 * @returns the status, or why there is none; never rejects
 */
export async function getSyncStatus(
  supabase: SupabaseClient<Database>,
  token: string,
  sub: string,
): Promise<SyncStatus | Refusal | UpstreamFailure> {
  const authorization = `Bearer ${token}`;

  const verified = verify(supabase, token, sub);
  const users = read(
    "users",
    userRows,
    supabase.from("users")
      .select("agency_id")
      .eq("id", sub)
      .setHeader("Authorization", authorization),
  );
  const activeJobs = read(
    "get_active_sync_job",
    activeJobRows,
    // GET: the function is STABLE, so a read-only transaction or a read replica can serve it.
    supabase.rpc("get_active_sync_job", {}, { get: true }).setHeader("Authorization", authorization),
  );

  const refused = await verified;
  if (refused) return refused;

  const user = await users;
  if (user instanceof UpstreamFailure) return user;
  const agencyId = user[0]?.agency_id;
  if (!agencyId) return new Refusal("forbidden");

  const active = await activeJobs;
  if (active instanceof UpstreamFailure) return active;
  if (active[0]) {
    return owned("get_active_sync_job", active[0], agencyId) ?? { active: true, job: active[0].job };
  }

  const recent = await read(
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
  );
  if (recent instanceof UpstreamFailure) return recent;
  if (!recent[0]) return { active: false, recent_job: null };
  return owned("historical_sync_jobs", recent[0], agencyId) ?? { active: false, recent_job: recent[0].job };
}

/** Auth's verdict on the token: undefined where it is the token of a user whose id is `sub`. */
async function verify(
  supabase: SupabaseClient<Database>,
  token: string,
  sub: string,
): Promise<Refusal | UpstreamFailure | undefined> {
  try {
    const { data, error } = await supabase.auth.getUser(token);
    if (error) return isRefusal(error) ? new Refusal("unauthorized") : authFailure(error);

    const user = authUser.safeParse(data.user);
    if (!user.success) return new UpstreamFailure("auth.getUser", "the answer does not fit the contract");
    if (user.data.id !== sub) return new UpstreamFailure("auth.getUser", "the answer names another user");

    const bannedUntil = user.data.banned_until;
    return bannedUntil && Date.parse(bannedUntil) > Date.now() ? new Refusal("unauthorized") : undefined;
  } catch (error) {
    return new UpstreamFailure("auth.getUser", nameOf(error));
  }
}

function isRefusal(error: AuthError): boolean {
  return isAuthSessionMissingError(error) || TOKEN_REFUSED.has(error.code ?? "");
}

function authFailure({ name, status, code }: AuthError): UpstreamFailure {
  return new UpstreamFailure("auth.getUser", name, status || undefined, code);
}

/** What this file reads of a PostgREST response. */
interface PostgrestResponse {
  data: unknown;
  error: { code?: string } | null;
  status: number;
}

/**
 * Runs one PostgREST request and parses its rows.
 *
 * Rows are read as an array on purpose: `maybeSingle()` would take an empty
 * body for "no row", and that for "no agency" or "no job".
 */
async function read<Rows>(
  step: Step,
  rows: ZodMiniType<Rows>,
  query: PromiseLike<PostgrestResponse>,
): Promise<Rows | UpstreamFailure> {
  try {
    const { data, error, status } = await query;
    if (error) {
      return new UpstreamFailure(step, "the request failed", status || undefined, error.code || undefined);
    }
    const parsed = rows.safeParse(data);
    return parsed.success && status === 200
      ? parsed.data
      : new UpstreamFailure(step, "the answer does not fit the contract", status);
  } catch (error) {
    return new UpstreamFailure(step, nameOf(error));
  }
}

/**
 * The second lock behind row-level security: a row of another agency is never
 * passed on. It also catches a user who moves between two of the reads.
 */
function owned(step: Step, row: { agency_id: string }, agencyId: string): UpstreamFailure | undefined {
  return row.agency_id === agencyId ? undefined : new UpstreamFailure(step, "the answer is another agency's");
}

/** An error's class; its message may quote what must not be logged. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown error";
}
