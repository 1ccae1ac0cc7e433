/**
 * Supabase on one machine without Docker: Auth and REST by @supabase/lite on
 * PostgreSQL, and the function as a process of its own, behind one address with
 * the paths of a Supabase project.
 *
 * @module
 */

import { App } from "@supabase/lite";
import { pathOf } from "./commands.ts";
import { type Database, databaseServer, startDatabase } from "./database.ts";
import { type FunctionProcess, startFunction } from "./function_process.ts";

const FUNCTION_FOLDER = pathOf("../supabase/functions/get-sync-status/", import.meta.url);
export const FUNCTION_PATH = "/functions/v1/get-sync-status";

/** Keys and secret of the local stack: they open nothing but this process. */
export const PUBLISHABLE_KEY = "sb_publishable_local";
export const SECRET_KEY = "sb_secret_local";
export const JWT_SECRET = "local-stack-jwt-secret-with-at-least-32-characters";

/** The password of every demo user in seed.sql. */
export const DEMO_PASSWORD = "sync-status-demo";

/** How long requests that are under way may hold up the end, in milliseconds. */
const STOP_MS = 10_000;

/** A running stack. */
export interface Stack {
  /** The address of the project, for example `http://127.0.0.1:54321`. */
  url: string;
  /** The function's address behind it. */
  functionUrl: string;
  function: FunctionProcess;
  /** The address of its database, where that is on a server. */
  databaseUrl?: string;
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
  let running: Promise<FunctionProcess> | undefined;
  let rest: ((request: Request) => Promise<Response>) | undefined;

  // Listen first: a taken port is the one thing that goes wrong, and it should show at once.
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === FUNCTION_PATH) return await forward(request, running);
    if (/^\/(auth|rest)\/v1\//.test(pathname) && rest) {
      return request.method === "OPTIONS" ? preflightOf(request) : forAnyOrigin(await rest(request));
    }
    return Response.json({ message: "no such path" }, { status: 404 });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;

  try {
    const where = databaseServer() ? "on the server that DATABASE_URL names" : "in WebAssembly";
    say(`Starting PostgreSQL (${where}), with the migrations and the seed …`);
    const { url: databaseUrl, connection, pollsInFlight, inTurn, query } = database = await makeDatabase();

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
    const start = () =>
      startFunction({
        env: { SUPABASE_URL: url, SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: PUBLISHABLE_KEY }) },
        entrypoint,
        onLine: onFunctionLine,
      });
    let started = await (running = start());
    const restartFunction = async () => {
      await started.stop();
      running = start();
      // Whoever asks meanwhile waits for it; that it did not start is theirs to say, too.
      running.catch(() => {});
      started = await running;
    };
    const watcher = watch ? onChange(FUNCTION_FOLDER, restartFunction, say) : undefined;

    return {
      url,
      functionUrl: url + FUNCTION_PATH,
      databaseUrl,
      pollsInFlight,
      get function() {
        return started;
      },
      restartFunction,
      sql: async (statement, parameters) => await query(statement, parameters) as never[],
      signIn: (email, password = DEMO_PASSWORD) => signIn(url, email, password),
      async stop() {
        watcher?.close();
        await running?.then(({ stop }) => stop(), () => {});
        await inTime(server.shutdown());
        await database?.stop();
      },
    };
  } catch (error) {
    await running?.then(({ stop }) => stop(), () => {});
    await server.shutdown();
    await database?.stop();
    throw error;
  }
}

/** Waits for what may hang where something else has gone wrong. */
async function inTime(ending: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<void>((resolve) => timer = setTimeout(resolve, STOP_MS));
  await Promise.race([ending, tooLate]);
  clearTimeout(timer);
}

/**
 * Restarts the function when a file of its folder has changed and for a moment
 * no other has: one restart at a time, and once more after the last change.
 */
function onChange(folder: string, restart: () => Promise<void>, say: (what: string) => void): Deno.FsWatcher {
  const watcher = Deno.watchFs(folder);
  let changes = 0;
  let last = Promise.resolve();
  const restartFor = async (change: number) => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (change !== changes) return;
    // A function that does not start has said why, and starts after the next change.
    await restart().then(() => say("The function has changed: started again."), () => {});
  };
  void (async () => {
    for await (const { kind } of watcher) {
      if (kind === "access") continue;
      const change = ++changes;
      last = last.then(() => restartFor(change));
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

/** Hands a request on to the function as a gateway does, when it has started. */
async function forward(request: Request, running: Promise<FunctionProcess> | undefined): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  try {
    const functionProcess = await running;
    if (!functionProcess) throw new Error("it has not been started");
    return await fetch(functionProcess.url + pathname + search, {
      method: request.method,
      headers: request.headers,
      body: request.body,
      redirect: "manual",
      signal: request.signal,
    });
  } catch {
    const message = "The function is not running. The terminal of `task dev` says why.";
    return forAnyOrigin(Response.json({ message }, { status: 503 }));
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
