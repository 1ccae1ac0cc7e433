/**
 * What speaks to Auth and PostgREST: one client, one deadline for all requests
 * of a poll, and every answer as a value. Judges nothing but whether an answer
 * is one.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { type AuthError, createClient, isAuthSessionMissingError } from "@supabase/supabase-js";
import type { ZodMiniType } from "zod/mini";
import {
  type ActiveJobRow,
  activeJobRows,
  authUser,
  FINISHED_STATUSES,
  RECENT_COLUMNS,
  type RecentJobRow,
  recentJobRows,
  type UserRow,
  userRows,
} from "./contract.ts";
import type { Database } from "./database.types.ts";

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
export interface Failed {
  kind: "failed";
  step: Step;
  reason: string;
  /** The upstream's HTTP status, where it gave one. */
  upstream_status?: number | undefined;
  /** The upstream's error code (Auth's, PostgREST's or PostgreSQL's), where it gave one. */
  upstream_code?: string | undefined;
}

/** The row that was asked for, if there is one. */
export interface Read<Row> {
  kind: "read";
  row: Row | undefined;
}

/** Auth's verdict on the caller's token. */
export type Verdict = { kind: "verified" } | { kind: "refused"; code: "unauthorized" };

/**
 * What can be asked for one caller. Every read carries the caller's own token:
 * PostgREST verifies it, and row-level security decides what it sees.
 *
 * None of the promises rejects: sync_status.ts returns early, and a rejection
 * that nobody awaits would end the process.
 */
export interface Upstream {
  /** `supabase.auth.getUser()`: whether the token is valid, and is that of the user `sub`. */
  verify(): Promise<Verdict | Failed>;
  /** The caller's row of `users`. */
  user(): Promise<Read<UserRow> | Failed>;
  /** What the RPC `get_active_sync_job` gives for the caller's agency. */
  activeJob(): Promise<Read<ActiveJobRow> | Failed>;
  /** The agency's most recent finished job. */
  recentJob(agencyId: string): Promise<Read<RecentJobRow> | Failed>;
}

/** How long all upstream requests of one poll may take together, in milliseconds. */
const DEADLINE_MS = 8_000;

/** Made once: an exception is dear to make, and each poll ends with this one. */
const POLL_IS_OVER = new DOMException("the poll is over", "AbortError");

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
  // On /user this comes only from a token without an audience (supabase/auth, internal/api/user.go).
  "validation_failed",
]);

/**
 * Connects to a project.
 *
 * One client serves all requests: it has no session, each query carries the
 * token of its own caller, and a query without one runs as anon and reads nothing.
 *
 * @returns a function that runs a task for one caller. It ends the requests of
 * the task when the deadline is over, when the client is gone, and when the
 * task is done.
 */
export function connect(project: Project) {
  /** The signal that ends the upstream requests of the poll at hand. */
  const signalOfPoll = new AsyncLocalStorage<AbortSignal>();

  const supabase = createClient<Database>(project.url, project.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    // The caller polls: its next request is the retry, and more requests help no outage.
    db: { retry: false },
    // Auth's and PostgREST's requests both pass here: getUser() takes no signal of its own.
    global: { fetch: (input, init) => upstreamFetch(input, { ...init, signal: signalOfPoll.getStore() }) },
  });

  const upstreamOf = ({ token, sub }: Caller): Upstream => {
    const authorization = `Bearer ${token}`;
    return {
      async verify() {
        try {
          const { data, error } = await supabase.auth.getUser(token);
          if (error) return verdictOf(error);
          const user = authUser.safeParse(data.user);
          if (!user.success) return failed("auth.getUser", "the answer does not fit the contract");
          if (user.data.id !== sub) return failed("auth.getUser", "the answer names another user");
          const bannedUntil = user.data.banned_until;
          return bannedUntil && Date.parse(bannedUntil) > Date.now()
            ? { kind: "refused", code: "unauthorized" }
            : { kind: "verified" };
        } catch (error) {
          return failed("auth.getUser", nameOf(error));
        }
      },
      user: () =>
        read(
          "users",
          userRows,
          supabase.from("users")
            .select("agency_id")
            .eq("id", sub)
            .setHeader("Authorization", authorization),
        ),
      activeJob: () =>
        read(
          "get_active_sync_job",
          activeJobRows,
          // GET: the function is STABLE, so a read-only transaction or a read replica can serve it.
          supabase.rpc("get_active_sync_job", {}, { get: true }).setHeader("Authorization", authorization),
        ),
      recentJob: (agencyId) =>
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

  return async <Result>(
    caller: Caller,
    clientGone: AbortSignal,
    task: (upstream: Upstream) => Promise<Result>,
  ): Promise<Result> => {
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(new DOMException("deadline", "TimeoutError")), DEADLINE_MS);
    const onClientGone = () => end.abort(clientGone.reason);
    clientGone.addEventListener("abort", onClientGone);
    try {
      return await signalOfPoll.run(end.signal, () => task(upstreamOf(caller)));
    } finally {
      clearTimeout(timer);
      clientGone.removeEventListener("abort", onClientGone);
      // After a refusal or a failure the other requests may still be under way.
      end.abort(POLL_IS_OVER);
    }
  };
}

function verdictOf(error: AuthError): Verdict | Failed {
  // The first is what supabase-js makes of Auth's session_not_found.
  if (isAuthSessionMissingError(error) || TOKEN_REFUSED.has(error.code ?? "")) {
    return { kind: "refused", code: "unauthorized" };
  }
  return failed("auth.getUser", error.name, error.status, error.code);
}

/** What this file reads of a PostgREST response. */
interface PostgrestResponse {
  data: unknown;
  error: { code?: string } | null;
  status: number;
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
  query: PromiseLike<PostgrestResponse>,
): Promise<Read<Row> | Failed> {
  try {
    const { data, error, status } = await query;
    if (error) return failed(step, "the request failed", status, error.code);
    const rows = contract.safeParse(data);
    return rows.success && status === 200
      ? { kind: "read", row: rows.data[0] }
      : failed(step, "the answer does not fit the contract", status);
  } catch (error) {
    return failed(step, nameOf(error));
  }
}

function failed(step: Step, reason: string, status?: number, code?: string): Failed {
  // supabase-js gives 0 and an empty code where there was no answer.
  return {
    kind: "failed",
    step,
    reason,
    upstream_status: status || undefined,
    upstream_code: code || undefined,
  };
}

/** `fetch` that refuses redirects, and keeps a 404 a 404. */
async function upstreamFetch(input: RequestInfo | URL, init: RequestInit): Promise<Response> {
  // An API does not redirect, and whoever does must not be handed the token.
  const response = await fetch(input, { ...init, redirect: "error" });
  if (response.status !== 404) return response;
  // postgrest-js takes a 404 with an array for "no rows", and that would be "no agency".
  const body = await response.text();
  const error = body.trimStart().startsWith("{") ? body : "{}";
  return new Response(error, { status: 404, headers: response.headers });
}

/** An error's class; its message may quote what must not be logged. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown error";
}
