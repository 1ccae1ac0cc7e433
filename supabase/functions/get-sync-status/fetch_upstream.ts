import { currentSignal } from "./deadline.ts";

/** The message of the error if nothing came back. */
export const NO_CONNECTION = "no connection";

/** Holds the connections in use; undefined stands for Deno's own client. */
let pooled: Deno.HttpClient | undefined;

/** Connects for each request. Edge runtimes before March 2025 lack `createHttpClient`. */
const unpooled = Deno.createHttpClient?.({ poolMaxIdlePerHost: 0 });

/**
 * `fetch` within the deadline of the task at hand.
 *
 * If nothing came back, it sends the request a second time, on a new
 * connection: upstreams close idle connections, often all of them, and only the
 * next request finds out (RFC 9110, 9.2.2: each request here is a GET).
 *
 * @throws {DOMException} the reason of the task's signal
 * @throws {Error} {@link NO_CONNECTION} if nothing came back again
 * @throws {TypeError} if the answer is not HTTP
 */
export async function fetchUpstream(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const signal = currentSignal();
  // Whoever redirects must not be handed the token. To supabase-js a redirect is an error.
  const request: RequestInit = { ...init, redirect: "manual", signal };
  const client = pooled;
  const nothingCameBack = (error: unknown) => !signal?.aborted && !isNotHttp(error);
  const response = await fetch(input, { ...request, client })
    .catch((error) => {
      if (signal?.reason?.name === "TimeoutError") leaveConnections(client);
      if (!nothingCameBack(error)) throw error;
      return fetch(input, { ...request, client: unpooled });
    })
    .catch((error) => {
      throw nothingCameBack(error) ? new Error(NO_CONNECTION) : error;
    });
  return response.ok ? response : await replaceBody(response);
}

/**
 * Lets the next requests connect anew; those under way go on. A connection that
 * has gone silent stays in use over HTTP/2 after its requests were aborted
 * (Deno 2.1.4 and 2.9.6), and over HTTP/1.1 other idle ones may be silent too.
 */
function leaveConnections(client: Deno.HttpClient | undefined): void {
  // Another request may have done it.
  if (client !== pooled) return;
  pooled = Deno.createHttpClient?.({});
  client?.close();
}

/** Deno 2.1.4 and 2.9.6 say only in words that an answer was not HTTP. */
function isNotHttp(error: unknown): boolean {
  return error instanceof TypeError && / parsed\b/.test(`${error.message} ${error.cause}`);
}

/**
 * Replaces the body of an error by `{}` unless it is an object. supabase-js
 * 2.119.1 takes a 404 with an array for "no rows" (postgrest-js issue 295), which
 * would be "no agency", and drops Auth's status if the body is not JSON.
 */
async function replaceBody(response: Response): Promise<Response> {
  const { status, headers } = response;
  // Response takes no status above 599, and no body with 304.
  if (status === 304 || status > 599) return response;
  const body = await response.text();
  return new Response(body.trimStart().startsWith("{") ? body : "{}", { status, headers });
}
