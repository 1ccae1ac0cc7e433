import { App } from "@supabase/lite";
import { createClient } from "@supabase/supabase-js";
import { type Database, startDatabase } from "./database.ts";
import { type FunctionOptions, type FunctionProcess, startFunction } from "./function_process.ts";

export const FUNCTION_PATH = "/functions/v1/get-sync-status";

/** These open nothing but this process. */
export const PUBLISHABLE_KEY = "sb_publishable_local";
export const SECRET_KEY = "sb_secret_local";
export const JWT_SECRET = "local-stack-jwt-secret-with-at-least-32-characters";

/** Of every user in seed.sql. */
export const DEMO_PASSWORD = "sync-status-demo";

export interface Stack {
  /** For example `http://127.0.0.1:54321`. */
  url: string;
  functionUrl: string;
  /** See {@link Database.url}. */
  databaseUrl?: string;
  /** See {@link Database.query}. */
  sql<Row extends Record<string, unknown>>(query: string, parameters?: unknown[]): Promise<Row[]>;
  /** Gives a demo user's access token. */
  signIn(email: string): Promise<string>;
  stop(): Promise<void>;
}

interface Options extends Pick<FunctionOptions, "entrypoint" | "watch"> {
  /** In the place of {@link startDatabase}. */
  database?: () => Promise<Database>;
  /** On 127.0.0.1; 0 for a free one. */
  port?: number;
  /** Called with what is being done, and with what the function writes. */
  log?: (line: string) => void;
}

/**
 * Starts Supabase without Docker: a database, Auth and REST by @supabase/lite,
 * and the function, behind one address with the paths of a Supabase project.
 *
 * @throws {Deno.errors.AddrInUse} when the port is taken
 */
export async function startStack(options: Options = {}): Promise<Stack> {
  const { database: makeDatabase = startDatabase, entrypoint, port = 0, watch, log = () => {} } = options;
  let database: Database | undefined;
  let rest: ((request: Request) => Promise<Response>) | undefined;
  let running: FunctionProcess | undefined;

  // First: a taken port should show at once.
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (`${pathname}/`.startsWith(`${FUNCTION_PATH}/`)) return await forward(request, running);
    if (!rest || !/^\/(auth|rest)\/v1\//.test(pathname)) return new Response("no such path", { status: 404 });
    if (request.method === "OPTIONS") return forAnyOrigin(answerPreflight(request));
    return forAnyOrigin(await rest(request));
  });
  const url = `http://127.0.0.1:${server.addr.port}`;

  async function stop(): Promise<void> {
    await running?.stop();
    await server.shutdown();
    await database?.stop();
  }

  try {
    log("Starting PostgreSQL, Auth, REST and the function …");
    database = await makeDatabase();
    const { connection, inTurn, query } = database;
    const keys = { jwt_secret: JWT_SECRET, publishable_key: PUBLISHABLE_KEY, secret_key: SECRET_KEY };
    const app = new App({ connection, auth: { enabled: true, ...keys } });
    rest = async (request) => {
      const response = await inTurn(() => app.fetch(request, { peerAddress: "127.0.0.1" }));
      return refuseAlgorithm(request, response);
    };
    const SUPABASE_PUBLISHABLE_KEYS = JSON.stringify({ default: PUBLISHABLE_KEY });
    const env = { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEYS };
    running = await startFunction({ env, entrypoint, watch, onLine: log });
    return {
      url,
      functionUrl: url + FUNCTION_PATH,
      databaseUrl: database.url,
      sql: async (statement, parameters) => await query(statement, parameters) as never[],
      signIn: (email) => signIn(url, email),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Allows a browser what it asks for, as the platform's gateway does before Auth and REST. */
function answerPreflight(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "Access-Control-Allow-Methods": "GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS",
      "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers") ?? "*",
    },
  });
}

/** Lets every origin read a response, as that gateway does. */
function forAnyOrigin(response: Response): Response {
  const readable = new Response(response.body, response);
  readable.headers.set("Access-Control-Allow-Origin", "*");
  return readable;
}

/** Refuses a token as Auth does if lite does not know its algorithm: lite takes it for no token. */
function refuseAlgorithm(request: Request, response: Response): Response {
  const hasKey = request.headers.get("apikey") === PUBLISHABLE_KEY;
  if (new URL(request.url).pathname !== "/auth/v1/user" || response.status !== 401 || !hasKey) {
    return response;
  }
  const headers = { "X-Sb-Error-Code": "bad_jwt", "X-Supabase-Api-Version": "2024-01-01" };
  return Response.json({ code: "bad_jwt", message: "invalid JWT" }, { status: 403, headers });
}

/** Hands a request on to the function as the platform's gateway does. */
async function forward(request: Request, running: FunctionProcess | undefined): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const { headers, body, signal } = request;
  // fetch refuses TRACE, and sends `get` as GET; PATCH is as wrong.
  const method = /^(?!TRACE$)[A-Z]+$/.test(request.method) ? request.method : "PATCH";
  try {
    if (!running) throw new Error("not yet");
    const address = running.url + pathname + search;
    return await fetch(address, { method, headers, body, redirect: "manual", signal });
  } catch {
    // It starts, or it has ended.
    const message = "The function did not answer. The terminal of `task dev` says why.";
    return forAnyOrigin(Response.json({ message }, { status: 503 }));
  }
}

async function signIn(url: string, email: string): Promise<string> {
  const options = { persistSession: false, autoRefreshToken: false };
  const { auth } = createClient(url, PUBLISHABLE_KEY, { auth: options });
  const { data, error } = await auth.signInWithPassword({ email, password: DEMO_PASSWORD });
  if (error) throw error;
  return data.session.access_token;
}
