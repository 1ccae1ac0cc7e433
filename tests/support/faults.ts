/**
 * What can go wrong between the function and one of its upstream requests, and
 * what the function has to make of it.
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
} from "../../local/fake_upstream.ts";

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
 * caller must get: 401 if it is the token's, 500 if it is not.
 *
 * @see https://github.com/supabase/auth, read at v2.196.0: requireAuthentication
 * and maybeLoadUserOrSession in internal/api/auth.go, UserGet in user.go,
 * timeoutMiddleware in middleware.go, handleResponseErrorHTTP in errors.go
 */
export const AUTH_ERRORS: [status: number, code: string, due: 401 | 500, reason: string][] = [
  [403, "bad_jwt", 401, "the signature, the expiry or a claim is not right"],
  [400, "bad_jwt", 401, "the subject is no UUID"],
  [403, "user_not_found", 401, "the user was deleted"],
  [403, "user_banned", 401, "the user is banned"],
  [403, "session_not_found", 401, "the session was signed out"],
  [403, "session_expired", 401, "the session is over; today only on a refresh"],
  [400, "validation_failed", 401, "the token names no audience"],
  [401, "no_authorization", 500, "the header was removed on the way"],
  [403, "not_admin", 500, "that is asked only on other paths"],
  [409, "conflict", 500, "the database was busy"],
  [429, "over_request_rate_limit", 500, "too many requests"],
  [500, "unexpected_failure", 500, "Auth or its database failed"],
  [500, "unknown", 500, "Auth named no code of its own"],
  [504, "request_timeout", 500, "Auth took too long"],
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
function drip(response: ServerResponse, bytes: string): void {
  let sent = 0;
  const timer = setInterval(() => {
    if (sent === bytes.length) response.end();
    else response.write(bytes.charAt(sent++));
  }, 1);
  response.once("close", () => clearInterval(timer));
}

/** Faults that gave an answer, or none in time: a 500 each. */
const FAILING: Record<string, Fault["at"]> = {
  "a connection that breaks in the middle of the body": (step) => (response) => {
    const { status, headers, body } = HEALTHY[step];
    response.writeHead(status, { ...headers, "Content-Length": String(body.length) });
    response.write(body.slice(0, body.length >> 1), () => response.destroy());
  },
  "an answer that comes byte by byte, for a quarter of an hour": (step) => (response) => {
    response.writeHead(200, HEALTHY[step].headers);
    drip(response, " ".repeat(1_000_000));
  },
  "an answer that never comes": () => () => {},
  // As the gateway writes it if the publishable key was rotated.
  "401 without Auth's code": () => answer(401, '{"message":"Invalid API key"}'),
  "403 without Auth's code": () => answer(403, '{"message":"Forbidden"}'),
  "403 with an HTML page": () => page(403),
  "404": (step) => error(step, 404, "unexpected_failure", "PGRST202"),
  "404 with an empty list": () => answer(404, "[]"),
  "404 without a body": () => answer(404, ""),
  "429": (step) => error(step, 429, "over_request_rate_limit", "PGRST003"),
  "500": (step) => error(step, 500, "unexpected_failure", "XX000"),
  "502 with an HTML page": () => page(502),
  "503 with Retry-After": () => page(503, { "Retry-After": "120" }),
  "520": () => page(520),
  "a redirect": (step) => answer(302, HEALTHY[step].body, { "Location": "/elsewhere" }),
  "200 with broken JSON": (step) => answer(200, HEALTHY[step].body.slice(0, -9)),
  "200 with an HTML page": () => page(200),
  "200 without a body": () => answer(200, ""),
  "200 with null": () => answer(200, "null"),
  "200 with another shape": (step) => reply(step, [{ name: "Harbour Calls" }]),
  "200 with two where one is due": (step) => reply(step, [...right(step), ...right(step)]),
  "204": () => answer(204, ""),
  "206 with an empty list": () => answer(206, "[]"),
};

export const FAULTS: Fault[] = [
  ...Object.entries(FAILING).map(([name, at]): Fault => ({ name, at, expected: 500 })),
  {
    name: "a connection that closes without an answer",
    at: () => (response) => response.destroy(),
    expected: 500,
    repeated: true,
  },
  {
    name: "200 of somebody else",
    at: (step) => {
      const owner = step === "auth.getUser" ? "id" : "agency_id";
      return reply(
        step,
        right(step).map((row) => ({ ...row, [owner]: "a0000000-0000-4000-8000-000000000009" })),
      );
    },
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
      drip(response, HEALTHY[step].body);
    },
    expected: 200,
  },
];
