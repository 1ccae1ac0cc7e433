/**
 * Supabase on one machine without Docker: Auth and REST by @supabase/lite on
 * PostgreSQL, and the function as a process of its own, behind one address with
 * the paths of a Supabase project.
 *
 * @module
 */

import { App } from "@supabase/lite";
import { pathOf } from "./commands.ts";
import { type Database, startDatabase } from "./database.ts";
import { type FunctionProcess, startFunction } from "./function_process.ts";

const FUNCTION_FOLDER = pathOf("../supabase/functions/get-sync-status/", import.meta.url);
export const FUNCTION_PATH = "/functions/v1/get-sync-status";

/** Keys and secret of the local stack: they open nothing but this process. */
export const PUBLISHABLE_KEY = "sb_publishable_local";
export const SECRET_KEY = "sb_secret_local";
export const JWT_SECRET = "local-stack-jwt-secret-with-at-least-32-characters";

/** The password of every demo user in seed.sql. */
export const DEMO_PASSWORD = "sync-status-demo";

/** A running stack. */
export interface Stack {
  /** The address of the project, for example `http://127.0.0.1:54321`. */
  url: string;
  /** The function's address behind it. */
  functionUrl: string;
  function: FunctionProcess;
  /** How many polls it bears at once on a machine a quarter as quick as usual. */
  pollsInFlight: number;
  /** Starts the function anew where it was stopped. */
  restartFunction(): Promise<void>;
  /** Runs one statement as the owner of the database, in turn with the requests. */
  sql<Row extends Record<string, unknown>>(query: string, parameters?: unknown[]): Promise<Row[]>;
  /** Signs a user in at Auth and gives the access token. */
  signIn(email: string, password?: string): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts the stack: database, migrations, seed, Auth, REST and the function.
 *
 * @param options.database another database than the one that this project makes
 * @param options.entrypoint another function than this project's
 * @param options.port the port on 127.0.0.1; 0 for a free one
 * @param options.watch restart the function when one of its files changes
 * @param options.say told what is being done
 * @param options.onFunctionLine called with each line that the function writes
 * @throws {Deno.errors.AddrInUse} when the port is taken
 */
export async function startStack(
  {
    database: makeDatabase = startDatabase,
    entrypoint,
    port = 0,
    watch = false,
    say = () => {},
    onFunctionLine,
  }: {
    database?: () => Promise<Database>;
    entrypoint?: URL;
    port?: number;
    watch?: boolean;
    say?: (what: string) => void;
    onFunctionLine?: (line: string) => void;
  } = {},
): Promise<Stack> {
  let database: Database | undefined;
  let functionProcess: FunctionProcess | undefined;
  let rest: ((request: Request) => Promise<Response>) | undefined;

  // Listen first: a taken port is the one thing that goes wrong, and it should show at once.
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === FUNCTION_PATH) return await forward(request, functionProcess?.url);
    if (/^\/(auth|rest)\/v1\//.test(pathname) && rest) {
      return request.method === "OPTIONS" ? preflightOf(request) : forAnyOrigin(await rest(request));
    }
    return Response.json({ message: "no such path" }, { status: 404 });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;

  try {
    const where = Deno.env.has("DATABASE_URL") ? "on the server of DATABASE_URL" : "in WebAssembly";
    say(`Starting PostgreSQL (${where}), with the migrations and the seed …`);
    const { connection, pollsInFlight, inTurn, query } = database = await makeDatabase();

    say("Starting Auth and REST …");
    const app = new App({
      connection,
      auth: {
        enabled: true,
        jwt_secret: JWT_SECRET,
        publishable_key: PUBLISHABLE_KEY,
        secret_key: SECRET_KEY,
      },
    });
    rest = async (request) => {
      const response = await inTurn(() => app.fetch(request, { peerAddress: "127.0.0.1" }));
      return refusesAlgorithm(request, response) ? badJwt() : response;
    };

    say("Starting the function …");
    const start = async () => {
      functionProcess = undefined;
      return functionProcess = await startFunction({
        env: { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: PUBLISHABLE_KEY }) },
        entrypoint,
        onLine: onFunctionLine,
      });
    };
    let started = await start();
    const restartFunction = async () => {
      await started.stop();
      started = await start();
    };
    const watcher = watch ? onChange(FUNCTION_FOLDER, restartFunction) : undefined;

    return {
      url,
      functionUrl: url + FUNCTION_PATH,
      pollsInFlight,
      get function() {
        return started;
      },
      restartFunction,
      sql: async (statement, parameters) => await query(statement, parameters) as never[],
      signIn: (email, password = DEMO_PASSWORD) => signIn(url, email, password),
      async stop() {
        watcher?.close();
        await started.stop();
        await server.shutdown();
        await database?.stop();
      },
    };
  } catch (error) {
    await functionProcess?.stop();
    await server.shutdown();
    await database?.stop();
    throw error;
  }
}

/** Calls back when a file of a folder has changed and for a moment no other has. */
function onChange(folder: string, changed: () => Promise<void>): Deno.FsWatcher {
  const watcher = Deno.watchFs(folder);
  void (async () => {
    let settled: ReturnType<typeof setTimeout> | undefined;
    for await (const { kind } of watcher) {
      if (kind === "access") continue;
      clearTimeout(settled);
      // A function that does not start has said why, and starts after the next change.
      settled = setTimeout(() => changed().catch(() => {}), 200);
    }
  })();
  return watcher;
}

/** Allows a browser what it asks for, as the platform's gateway does before Auth and REST. */
function preflightOf(request: Request): Response {
  return forAnyOrigin(
    new Response(null, {
      status: 204,
      headers: {
        "Access-Control-Allow-Methods": "GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers") ?? "*",
        "Access-Control-Max-Age": "3600",
      },
    }),
  );
}

/**
 * Whether Auth was sent a token whose algorithm lite does not know: lite takes
 * it for no token at all, where Auth refuses it (supabase/auth, internal/api/auth.go).
 */
function refusesAlgorithm(request: Request, response: Response): boolean {
  return new URL(request.url).pathname === "/auth/v1/user" && response.status === 401 &&
    /^Bearer [\w-]+\.[\w-]+\.[\w-]+$/.test(request.headers.get("Authorization") ?? "");
}

function badJwt(): Response {
  const code = "bad_jwt";
  return Response.json({ code, message: "invalid JWT" }, {
    status: 403,
    headers: { "X-Sb-Error-Code": code, "X-Supabase-Api-Version": "2024-01-01" },
  });
}

/** Lets every origin read a response, as that gateway does. */
function forAnyOrigin(response: Response): Response {
  const readable = new Response(response.body, response);
  readable.headers.set("Access-Control-Allow-Origin", "*");
  return readable;
}

const NOT_RUNNING = "The function is not running. The terminal of `task dev` says why.";

/** Hands a request on to the function as a gateway does. */
async function forward(request: Request, functionUrl: string | undefined): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  try {
    if (!functionUrl) throw new Error(NOT_RUNNING);
    return await fetch(functionUrl + pathname + search, {
      method: request.method,
      headers: request.headers,
      body: request.body,
      redirect: "manual",
      signal: request.signal,
    });
  } catch {
    return Response.json({ message: NOT_RUNNING }, { status: 503 });
  }
}

async function signIn(url: string, email: string, password: string): Promise<string> {
  const response = await fetch(`${url}/auth/v1/token?grant_type=password`, {
    method: "POST",
    headers: { "apikey": PUBLISHABLE_KEY, "Content-Type": "application/json" },
    body: JSON.stringify({ email, password }),
  });
  const { access_token: token } = await response.json();
  if (typeof token !== "string") throw new Error(`${email} could not sign in: ${response.status}`);
  return token;
}
