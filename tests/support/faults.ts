import type { ServerResponse } from "node:http";
import type { Reason, Step } from "../../supabase/functions/get-sync-status/upstream.ts";
import {
  answer,
  HEALTHY,
  postgrestError,
  type Reply,
  type Responder,
  rows,
} from "../../local/fake_upstream.ts";

/** What can go wrong with an upstream request. */
export interface Fault {
  name: string;
  at(step: Step): Responder;
  expected: 200 | 500;
  /** What the log says of a 500. */
  reason?: Reason;
  /** Nothing came back, so the request is sent a second time. */
  repeated?: true;
}

const page = (status: number, headers = {}) =>
  answer(status, `<html>${status}</html>`, { "Content-Type": "text/html", ...headers });

/** The user, or the rows, of a right answer. */
const right = (step: Step): Record<string, unknown>[] => [JSON.parse(HEALTHY[step].body)].flat();

/** Auth writes an object, PostgREST a list. */
const reply = (step: Step, values: unknown[]): Reply =>
  step === "auth.getUser" && values.length === 1 ? answer(200, JSON.stringify(values[0])) : rows(...values);

/** Writes a body in parts, 50 a second. */
function drip(response: ServerResponse, parts: string[]): void {
  const timer = setInterval(() => {
    const part = parts.shift();
    if (part === undefined) response.end();
    else response.write(part);
  }, 20);
  response.once("close", () => clearInterval(timer));
}

const LATE: Record<string, Fault["at"]> = {
  "an answer that comes byte by byte, for minutes": (step) => (response) => {
    response.writeHead(200, HEALTHY[step].headers);
    drip(response, Array(10_000).fill(" "));
  },
  "an answer that never comes": () => () => {},
};

/** Each begins with its status. */
const ERRORS: Record<string, Fault["at"]> = {
  "302 to another address": (step) => answer(302, HEALTHY[step].body, { "Location": "/elsewhere" }),
  // As the gateway writes it if the publishable key was rotated.
  "401 without Auth's code": () => answer(401, '{"message":"Invalid API key"}'),
  "403 with an HTML page": () => page(403),
  "404": () => postgrestError(404, "PGRST202"),
  "404 with an empty list": () => answer(404, "[]"),
  "404 without a body": () => answer(404, ""),
  "503 with Retry-After": () => page(503, { "Retry-After": "120" }),
  "520": () => page(520),
};

const BROKEN: Record<string, Fault["at"]> = {
  "a connection that breaks in the middle of the body": (step) => (response) => {
    const { status, headers, body } = HEALTHY[step];
    response.writeHead(status, { ...headers, "Content-Length": String(body.length) });
    response.write(body.slice(0, -9), () => response.destroy());
  },
  "a status that HTTP does not have": () => ({ socket }) => socket?.end("HTTP/1.1 99 No\r\n\r\n"),
  "200 with broken JSON": (step) => answer(200, HEALTHY[step].body.slice(0, -9)),
  "200 without a body": () => answer(200, ""),
  "200 with null": () => answer(200, "null"),
  "200 with another shape": (step) => reply(step, [{ name: "Harbour Calls" }]),
  "200 with two where one is due": (step) => reply(step, [...right(step), ...right(step)]),
  "204": () => answer(204, ""),
  "206 with an empty list": () => answer(206, "[]"),
};

const failing = (reason: Reason, faults: Record<string, Fault["at"]>) =>
  Object.entries(faults).map(([name, at]): Fault => ({ name, at, expected: 500, reason }));

export const FAULTS: Fault[] = [
  ...failing("no answer in time", LATE),
  ...failing("the answer is an error", ERRORS),
  ...failing("the answer does not fit the contract", BROKEN),
  {
    name: "a connection that closes without an answer",
    at: () => (response) => response.destroy(),
    expected: 500,
    reason: "no connection",
    repeated: true,
  },
  {
    name: "a right answer of two megabytes, with a column more",
    at: (step) => reply(step, right(step).map((row) => ({ padding: "x".repeat(2_000_000), ...row }))),
    expected: 200,
  },
  {
    name: "a right answer that comes in parts",
    at: (step) => (response) => {
      response.writeHead(200, HEALTHY[step].headers);
      drip(response, HEALTHY[step].body.match(/.{1,40}/g) ?? []);
    },
    expected: 200,
  },
];
