/**
 * What can go wrong between the function and one of its upstream requests, and
 * what the function has to make of it.
 *
 * @module
 */

import type { ServerResponse } from "node:http";
import type { Step } from "../../supabase/functions/get-sync-status/upstream.ts";
import {
  answer,
  authError,
  HEALTHY,
  postgrestError,
  type Reply,
  type Responder,
  rows,
} from "./fake_upstream.ts";

export const STEPS = ["auth.getUser", "users", "get_active_sync_job", "historical_sync_jobs"] as const;

/** One fault: how it looks at each step, and the status that the caller must be given. */
export interface Fault {
  name: string;
  at(step: Step): Responder;
  /** 200 if the answer is right in spite of it. */
  expected: 200 | 500;
  /** It gave no answer at all, so the step is asked once more. */
  repeated?: true;
  /** The step that the log names, if that is not the one at fault. */
  seenAt?: Partial<Record<Step, Step>>;
}

/**
 * Each error that Auth gives on `GET /user`, whose fault it is, and so what the
 * caller must be told: 401 where it is the token's, 500 where it is not.
 *
 * @see https://github.com/supabase/auth, read at v2.196.0: requireAuthentication
 * and maybeLoadUserOrSession in internal/api/auth.go, UserGet in user.go,
 * timeoutMiddleware in middleware.go, handleResponseErrorHTTP in errors.go
 */
export const AUTH_ERRORS: { status: number; code: string; verdict: 401 | 500; reason: string }[] = [
  { status: 403, code: "bad_jwt", verdict: 401, reason: "the signature, the expiry or a claim is not right" },
  { status: 400, code: "bad_jwt", verdict: 401, reason: "the subject is no UUID" },
  { status: 403, code: "user_not_found", verdict: 401, reason: "the user was deleted" },
  { status: 403, code: "user_banned", verdict: 401, reason: "the user is banned" },
  { status: 403, code: "session_not_found", verdict: 401, reason: "the session was signed out" },
  {
    status: 403,
    code: "session_expired",
    verdict: 401,
    reason: "the session is over; today on a refresh alone",
  },
  { status: 400, code: "validation_failed", verdict: 401, reason: "the token names no audience" },
  { status: 401, code: "no_authorization", verdict: 500, reason: "the header was removed on the way" },
  { status: 403, code: "not_admin", verdict: 500, reason: "that is asked on other paths alone" },
  { status: 409, code: "conflict", verdict: 500, reason: "the database was busy" },
  { status: 429, code: "over_request_rate_limit", verdict: 500, reason: "too many requests" },
  { status: 500, code: "unexpected_failure", verdict: 500, reason: "Auth or its database failed" },
  { status: 500, code: "unknown", verdict: 500, reason: "Auth named no code of its own" },
  { status: 504, code: "request_timeout", verdict: 500, reason: "Auth took too long" },
];

/** An error in the words of the service that a step asks. */
const error = (step: Step, status: number, authCode: string, postgrestCode: string): Reply =>
  step === "auth.getUser" ? authError(status, authCode) : postgrestError(status, postgrestCode);

const page = (status: number, headers = {}) =>
  answer(status, `<html>${status}</html>`, { "Content-Type": "text/html", ...headers });

/** The right answer of a step, as an object of its own. */
const right = (step: Step): Record<string, unknown>[] => [JSON.parse(HEALTHY[step].body)].flat();

/** A right answer again: Auth's is an object, PostgREST's a list. */
const reply = (step: Step, values: unknown[]): Reply =>
  step === "auth.getUser" && values.length === 1 ? answer(200, JSON.stringify(values[0])) : rows(...values);

/** Writes one byte at a time until there is none left or the client is gone. */
function drip(response: ServerResponse, bytes: Iterator<string>): void {
  const timer = setInterval(() => {
    const next = bytes.next();
    if (next.done) response.end();
    else response.write(next.value);
  }, 1);
  response.once("close", () => clearInterval(timer));
}

function* blanks(): Iterator<string> {
  for (;;) yield " ";
}

export const FAULTS: Fault[] = [
  {
    name: "a connection that closes without an answer",
    at: () => (response) => response.destroy(),
    expected: 500,
    repeated: true,
  },
  {
    name: "a connection that breaks in the middle of the body",
    at: (step) => (response) => {
      const { status, headers, body } = HEALTHY[step];
      response.writeHead(status, { ...headers, "Content-Length": String(body.length) });
      response.write(body.slice(0, body.length >> 1), () => response.destroy());
    },
    expected: 500,
  },
  { name: "400", at: (step) => error(step, 400, "bad_json", "PGRST100"), expected: 500 },
  { name: "401 without Auth's code", at: () => answer(401, '{"message":"Unauthorized"}'), expected: 500 },
  { name: "401 with an HTML page", at: () => page(401), expected: 500 },
  { name: "403 with an HTML page", at: () => page(403), expected: 500 },
  { name: "403", at: (step) => error(step, 403, "not_admin", "42501"), expected: 500 },
  { name: "404", at: (step) => error(step, 404, "unexpected_failure", "PGRST202"), expected: 500 },
  { name: "404 with an empty list", at: () => answer(404, "[]"), expected: 500 },
  { name: "404 without a body", at: () => answer(404, ""), expected: 500 },
  { name: "409", at: (step) => error(step, 409, "conflict", "40001"), expected: 500 },
  { name: "429", at: (step) => error(step, 429, "over_request_rate_limit", "PGRST003"), expected: 500 },
  { name: "500", at: (step) => error(step, 500, "unexpected_failure", "XX000"), expected: 500 },
  { name: "502 with an HTML page", at: () => page(502), expected: 500 },
  { name: "503 with Retry-After", at: () => page(503, { "Retry-After": "120" }), expected: 500 },
  {
    name: "503 as the service writes it",
    at: (step) => error(step, 503, "request_timeout", "PGRST002"),
    expected: 500,
  },
  { name: "504", at: (step) => error(step, 504, "request_timeout", "57014"), expected: 500 },
  { name: "520", at: () => page(520), expected: 500 },
  { name: "a redirect", at: () => answer(302, "", { "Location": "/elsewhere" }), expected: 500 },
  { name: "200 with broken JSON", at: (step) => answer(200, HEALTHY[step].body.slice(0, -9)), expected: 500 },
  { name: "200 with an HTML page", at: () => page(200), expected: 500 },
  { name: "200 without a body", at: () => answer(200, ""), expected: 500 },
  { name: "206 with an empty list", at: () => answer(206, "[]"), expected: 500 },
  { name: "200 with null", at: () => answer(200, "null"), expected: 500 },
  { name: "200 with another shape", at: (step) => reply(step, [{ name: "Harbour Calls" }]), expected: 500 },
  {
    name: "200 with two where one is due",
    at: (step) => reply(step, [...right(step), ...right(step)]),
    expected: 500,
  },
  {
    name: "200 of somebody else",
    at: (step) =>
      reply(
        step,
        right(step).map((row) => ({
          ...row,
          ...(step === "auth.getUser" ? { id: "b0000000-0000-4000-8000-000000000009" } : {}),
          agency_id: "a0000000-0000-4000-8000-000000000009",
        })),
      ),
    expected: 500,
    // An agency says nothing of whose it is; the job that is not its own does.
    seenAt: { users: "get_active_sync_job" },
  },
  {
    name: "a right answer of twenty megabytes",
    at: (step) => reply(step, right(step).map((row) => ({ padding: "x".repeat(20_000_000), ...row }))),
    expected: 200,
  },
  {
    name: "a right answer that comes byte by byte",
    at: (step) => (response) => {
      response.writeHead(200, HEALTHY[step].headers);
      drip(response, HEALTHY[step].body[Symbol.iterator]());
    },
    expected: 200,
  },
  {
    name: "an answer that comes byte by byte and never ends",
    at: (step) => (response) => {
      response.writeHead(200, HEALTHY[step].headers);
      drip(response, blanks());
    },
    expected: 500,
  },
  { name: "an answer that never comes", at: () => () => {}, expected: 500 },
];
