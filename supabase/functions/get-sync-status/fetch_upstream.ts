/** How a request is sent to the project. */

import { currentSignal } from "./deadline.ts";

/** The message of the error that {@link fetchUpstream} throws if nothing came back. */
export const NO_CONNECTION = "no connection";

/** The client whose connections are in use; undefined stands for Deno's own. */
let pooled: Deno.HttpClient | undefined;

/** Opens a connection for each request. Edge runtimes before March 2025 lack `createHttpClient`. */
const unpooled = Deno.createHttpClient?.({ poolMaxIdlePerHost: 0 });

/**
 * `fetch` within the deadline of the task at hand.
 *
 * If nothing came back, it sends the request a second time, on a new
 * connection: whatever stands before an upstream closes idle connections
 * without a word, often all of them, and only the next request finds out
 * (RFC 9110, 9.2.2: each request here is a GET).
 *
 * @throws {DOMException} the reason of the task's signal, if that is aborted
 * @throws {Error} with the message {@link NO_CONNECTION}, if nothing came back again
 * @throws {TypeError} if what came back is not HTTP
 */
export async function fetchUpstream(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const signal = currentSignal();
  // An API does not redirect, and whoever does must not be handed the token. A redirect that is
  // not followed is an answer, and to supabase-js an error.
  const request: RequestInit = { ...init, redirect: "manual", signal };
  const client = pooled;
  const response = await fetch(input, { ...request, client }).catch((error) => {
    if (signal?.reason?.name === "TimeoutError") leaveConnections(client);
    if (signal?.aborted || isNotHttp(error)) throw error;
    return fetchAgain(input, request);
  });
  return response.ok ? response : await replaceBody(response);
}

async function fetchAgain(input: RequestInfo | URL, request: RequestInit): Promise<Response> {
  try {
    return await fetch(input, { ...request, client: unpooled });
  } catch (error) {
    if (request.signal?.aborted || isNotHttp(error)) throw error;
    throw new Error(NO_CONNECTION);
  }
}

/**
 * Lets the next requests connect anew. Over HTTP/2 a connection that has gone
 * silent stays in use after its requests were aborted, over HTTP/1.1 the others
 * in the pool may be silent too (Deno 2.1.4 and 2.9.6). Requests under way on
 * the old client go on.
 */
function leaveConnections(client: Deno.HttpClient | undefined): void {
  // Requests that waited on the same client have the same deadline: one of them does it.
  if (client !== pooled) return;
  pooled = Deno.createHttpClient?.({});
  client?.close();
}

/** Whether an answer came that could not be read: Deno 2.1.4 and 2.9.6 say so only in words. */
function isNotHttp(error: unknown): boolean {
  return error instanceof TypeError && / parsed\b/.test(`${error.message} ${error.cause}`);
}

/**
 * Makes the body of an error a JSON object, if it is none. postgrest-js 2.119.1
 * takes a 404 with an array for "no rows" (issue 295 of postgrest-js), and that would be
 * "no agency"; auth-js 2.119.1 drops the status of an error that is not JSON, and
 * the log would lack it.
 */
async function replaceBody(response: Response): Promise<Response> {
  const { status, headers } = response;
  // No Response can be made with a status that HTTP does not define; 304 has no body.
  if (status === 304 || status > 599) return response;
  const body = await response.text();
  return new Response(body.trimStart().startsWith("{") ? body : "{}", { status, headers });
}
