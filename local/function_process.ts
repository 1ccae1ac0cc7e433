/**
 * The function as a process of its own, started as the Supabase runtime starts
 * it: from environment variables, with only the permissions it needs.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { cleanEnvironment, pathOf } from "./commands.ts";

const ROOT = new URL("..", import.meta.url).href;
const GET_SYNC_STATUS = new URL("../supabase/functions/get-sync-status/index.ts", import.meta.url);

/** How long it may take to start, and to end when it is told to, in milliseconds. */
const START_MS = 60_000;
const STOP_MS = 5_000;

/** All that the function needs: its upstream's network, and these variables of its environment. */
const PERMISSIONS = [
  "--allow-net=127.0.0.1",
  "--allow-env=SUPABASE_URL,SUPABASE_PUBLISHABLE_KEYS,SUPABASE_PUBLISHABLE_KEY,SUPABASE_ANON_KEY",
];

/** The function as the platform has it, where the tests are to start that one. */
export interface PlatformFunction {
  /** The Deno to run it on. */
  deno: string;
  /** Its own deno.json. */
  config: string;
  entrypoint: string;
}

/** How `deno task test:platform` names that function to the tests. */
export const PLATFORM_VARIABLE = "TEST_PLATFORM_FUNCTION";

/** A running function. */
export interface FunctionProcess {
  /** Where it answers. */
  url: string;
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
 * @param options.onLine called with each line that it writes
 * @throws {Error} with the function's own words when it ends before it listens
 */
export async function startFunction(
  { env, entrypoint = GET_SYNC_STATUS, permissions = PERMISSIONS, onLine }: {
    env: Record<string, string>;
    entrypoint?: URL;
    permissions?: string[];
    onLine?: (line: string) => void;
  },
): Promise<FunctionProcess> {
  const [command, ...args] = commandFor(entrypoint);
  const child = spawn(command, [...args.slice(0, -1), ...permissions, ...args.slice(-1)], {
    // The caller's own Supabase variables must not leak into what is tested.
    env: { ...cleanEnvironment(), ...env, DENO_SERVE_ADDRESS: "tcp:127.0.0.1:0", NO_COLOR: "1" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));

  const output: string[] = [];
  let tooLate: ReturnType<typeof setTimeout> | undefined;
  const url = await new Promise<string>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => {
        output.push(line);
        const address = /^Listening on (http:\/\/127\.0\.0\.1:\d+)\/?/.exec(line)?.[1];
        if (address) resolve(address);
        else onLine?.(line);
      });
    }
    child.once("close", () => reject(new Error(output.join("\n"))));
    tooLate = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`The function did not listen within ${START_MS / 1_000} s: ${output.join("\n")}`));
    }, START_MS);
  }).finally(() => clearTimeout(tooLate));

  return {
    url,
    pid: child.pid ?? 0,
    output,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** The command that runs a function, up to its entrypoint. */
function commandFor(entrypoint: URL): [string, ...string[]] {
  const platform = Deno.env.get(PLATFORM_VARIABLE);
  if (platform && entrypoint === GET_SYNC_STATUS) {
    const { deno, config, entrypoint }: PlatformFunction = JSON.parse(platform);
    return [deno, "run", "--no-prompt", "--no-lock", "--config", config, entrypoint];
  }
  return [
    Deno.execPath(),
    "run",
    "--no-prompt",
    // The versions here are locked; another project's are its own.
    ...(entrypoint.href.startsWith(ROOT) ? [] : ["--no-lock"]),
    `--preload=${pathOf("end_with_stdin.ts", import.meta.url)}`,
    entrypoint.href,
  ];
}
