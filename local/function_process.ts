import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { z } from "zod";
import { cleanEnvironment, pathOf } from "./commands.ts";

const GET_SYNC_STATUS = new URL("../supabase/functions/get-sync-status/index.ts", import.meta.url);

const PERMISSIONS = [
  "--allow-net=127.0.0.1",
  "--allow-env=SUPABASE_URL,SUPABASE_PUBLISHABLE_KEYS,SUPABASE_PUBLISHABLE_KEY,SUPABASE_ANON_KEY",
];

/** Here `deno task test:edge-runtime` names another Deno, deno.json and entrypoint for all tests, as JSON. */
export const EDGE_RUNTIME_VARIABLE = "TEST_EDGE_RUNTIME";
const edgeRuntimeFunction = z.object({ deno: z.string(), config: z.string(), entrypoint: z.string() });
export type EdgeRuntimeFunction = z.infer<typeof edgeRuntimeFunction>;

export interface FunctionProcess {
  url: string;
  pid: number;
  /** The lines that it has written so far. */
  output: string[];
  stop(): Promise<void>;
}

export interface FunctionOptions {
  /** Its environment, beside the {@link cleanEnvironment}. */
  env: Record<string, string>;
  /** Another function than this project's. */
  entrypoint?: URL;
  /** Whether Deno starts it anew, at another address, when a file changes; one that failed waits for that. */
  watch?: boolean;
  onLine?: (line: string) => void;
}

/**
 * Starts the function on a free port of 127.0.0.1; it ends with this process, however that ends.
 *
 * @throws {Error} with the function's own words if it ends before it listens
 */
export async function startFunction(options: FunctionOptions): Promise<FunctionProcess> {
  const { deno, args } = commandOf(options.entrypoint);
  if (options.watch) args.unshift("--watch");
  const child = spawn(deno, ["run", "--no-prompt", ...PERMISSIONS, ...args], {
    env: { ...cleanEnvironment(), ...options.env, DENO_SERVE_ADDRESS: "tcp:127.0.0.1:0", NO_COLOR: "1" },
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));

  const started: FunctionProcess = {
    url: "",
    pid: child.pid ?? 0,
    output: [],
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
  await new Promise<void>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => {
        started.output.push(line);
        const [, address] = /^Listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line) ?? [];
        if (!address) return options.onLine?.(line);
        started.url = address;
        resolve();
      });
    }
    void ended.then(() => reject(new Error(started.output.join("\n"))));
  });
  return started;
}

function commandOf(entrypoint: URL | undefined): { deno: string; args: string[] } {
  const edgeRuntime = Deno.env.get(EDGE_RUNTIME_VARIABLE);
  if (edgeRuntime && !entrypoint) {
    const { deno, config, entrypoint } = edgeRuntimeFunction.parse(JSON.parse(edgeRuntime));
    return { deno, args: ["--no-lock", "--config", config, entrypoint] };
  }
  const preload = `--preload=${pathOf("end_with_stdin.ts", import.meta.url)}`;
  return { deno: Deno.execPath(), args: [preload, (entrypoint ?? GET_SYNC_STATUS).href] };
}
