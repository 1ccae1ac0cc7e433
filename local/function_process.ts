/**
 * The function as a process of its own, started as the Supabase runtime starts
 * it: from environment variables, with only the permissions it needs.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const ENTRYPOINT = new URL("../supabase/functions/get-sync-status/index.ts", import.meta.url);

/** The variables that the function may read, and nothing else of its environment. */
export const ENV_NAMES = [
  "SUPABASE_URL",
  "SUPABASE_PUBLISHABLE_KEYS",
  "SUPABASE_PUBLISHABLE_KEY",
  "SUPABASE_ANON_KEY",
] as const;

/** A running function. */
export interface FunctionProcess {
  /** Where it answers; another port after each restart by the watcher. */
  url(): string;
  /** All lines it has written so far. */
  output: string[];
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>;
}

/**
 * Starts the function on a free port of 127.0.0.1 and waits until it listens.
 *
 * @param options.env the environment it is given
 * @param options.watch restart it when one of its files changes
 * @param options.onLine called with each line that it writes
 * @throws {Error} with the function's own words when it ends before it listens
 */
export async function startFunction(
  { env, watch = false, onLine }: {
    env: Partial<Record<typeof ENV_NAMES[number], string>>;
    watch?: boolean;
    onLine?: (line: string) => void;
  },
): Promise<FunctionProcess> {
  const child = spawn(Deno.execPath(), [
    "run",
    "--no-prompt",
    "--frozen",
    "--allow-net=127.0.0.1",
    `--allow-env=${ENV_NAMES.join()}`,
    ...(watch ? ["--watch", "--no-clear-screen"] : []),
    ENTRYPOINT.href,
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
