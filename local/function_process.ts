/**
 * The function as a process of its own, started as the Supabase runtime starts
 * it: from environment variables, with only the permissions it needs.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const GET_SYNC_STATUS = new URL("../supabase/functions/get-sync-status/index.ts", import.meta.url);

/** All that the function needs: its upstream's network, and these variables of its environment. */
const PERMISSIONS = [
  "--allow-net=127.0.0.1",
  "--allow-env=SUPABASE_URL,SUPABASE_PUBLISHABLE_KEYS,SUPABASE_PUBLISHABLE_KEY,SUPABASE_ANON_KEY",
];

/** A running function. */
export interface FunctionProcess {
  /** Where it answers; another port after each restart by the watcher. */
  url(): string;
  /** Its process id. */
  pid: number;
  /** All lines it has written so far. */
  output: string[];
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
}

/**
 * Starts the function on a free port of 127.0.0.1 and waits until it listens.
 *
 * @param options.env the environment it is given
 * @param options.entrypoint another function to start in its place
 * @param options.permissions what it may do, as flags of `deno run`
 * @param options.watch restart it when one of its files changes
 * @param options.onLine called with each line that it writes
 * @throws {Error} with the function's own words when it ends before it listens
 */
export async function startFunction(
  { env, entrypoint = GET_SYNC_STATUS, permissions = PERMISSIONS, watch = false, onLine }: {
    env: Record<string, string>;
    entrypoint?: URL;
    permissions?: string[];
    watch?: boolean;
    onLine?: (line: string) => void;
  },
): Promise<FunctionProcess> {
  const child = spawn(Deno.execPath(), [
    "run",
    "--no-prompt",
    "--frozen",
    ...permissions,
    ...(watch ? ["--watch", "--no-clear-screen"] : []),
    entrypoint.href,
  ], {
    env: {
      ...withoutSupabase(Deno.env.toObject()),
      ...env,
      DENO_SERVE_ADDRESS: "tcp:127.0.0.1:0",
      NO_COLOR: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));

  const output: string[] = [];
  let url = "";
  await new Promise<void>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => {
        output.push(line);
        const address = /^Listening on (http:\/\/127\.0\.0\.1:\d+)\/?/.exec(line)?.[1];
        if (address) {
          url = address;
          resolve();
        } else {
          onLine?.(line);
        }
      });
    }
    child.once("close", () => reject(new Error(output.join("\n"))));
  });

  return {
    url: () => url,
    pid: child.pid ?? 0,
    output,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** The caller's own Supabase variables must not leak into what is tested. */
function withoutSupabase(env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("SUPABASE_")));
}
