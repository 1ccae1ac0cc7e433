import { currentSignal } from "./deadline.ts";

/** The message of the error if nothing came back. */
export const NO_CONNECTION = "no connection";

/** If an aborted request has waited longer, in milliseconds, its connection may have gone silent. */
const SILENT_MS = 2_000;

/** Holds the connections in use; undefined stands for Deno's own client. */
let pooled: Deno.HttpClient | undefined;

/** Connects for each request. Edge runtimes before March 2025 lack `createHttpClient`. */
const unpooled = Deno.createHttpClient?.({ poolMaxIdlePerHost: 0 });

/**
 * `fetch` within the deadline of the task at hand. It ends when the whole answer is there.
 *
 * @throws {DOMException} the reason of the task's signal
 * @throws {Error} {@link NO_CONNECTION} if nothing came back
 * @throws {TypeError} if the answer is not HTTP, or breaks off
 */
export async function fetchUpstream(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const signal = currentSignal();
  // Whoever redirects must not be handed the token. To supabase-js a redirect is an error.
  const request: RequestInit = { ...init, redirect: "manual", signal };
  const client = pooled;
  const sentAt = performance.now();
  try {
    return await readAnswer(await send(input, request, client));
  } catch (error) {
    if (!signal?.aborted) throw error;
    if (performance.now() - sentAt > SILENT_MS) leaveConnections(client);
    throw signal.reason;
  }
}

/**
 * If nothing came back, sends the request a second time, on a new connection:
 * upstreams close idle connections, often all of them, and only the next request
 * finds out (RFC 9110, 9.2.2: each request here is a GET).
 */
async function send(input: RequestInfo | URL, request: RequestInit, client?: Deno.HttpClient) {
  const nothingCameBack = (error: unknown) => !request.signal?.aborted && !isUnreadable(error);
  try {
    return await fetch(input, { ...request, client });
  } catch (error) {
    if (!nothingCameBack(error)) throw error;
  }
  try {
    return await fetch(input, { ...request, client: unpooled });
  } catch (error) {
    throw nothingCameBack(error) ? new Error(NO_CONNECTION) : error;
  }
}

/** Deno 2.1.4 and 2.9.6 say only in words that an answer came and was not HTTP, or had too many headers. */
function isUnreadable(error: unknown): boolean {
  return error instanceof TypeError && / (parsed|too large)\b/.test(`${error.message} ${error.cause}`);
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

/**
 * Reads the whole answer. The body of an error becomes `{}` unless it is an
 * object: supabase-js 2.119.1 takes a 404 with an array for "no rows"
 * (postgrest-js issue 295), which would be "no agency", and drops Auth's status
 * if the body is not JSON.
 */
async function readAnswer(response: Response): Promise<Response> {
  const { ok, status, headers } = response;
  // Response takes no status above 599, and no body with these.
  if (status > 599 || [204, 205, 304].includes(status)) return response;
  const body = await response.text();
  const isUsable = ok || body.trimStart().startsWith("{");
  return new Response(isUsable ? body : "{}", { status, headers });
}
