import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

export const SUPABASE_CLI = "supabase@3.1.0";

export const END_SIGNALS: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** The oldest major version that the tasks run on, as README and CI name it. */
export const OLDEST_NODE = 20;

/** The caller's environment without what leads to another project, database or port. */
export function cleanEnvironment(): Record<string, string> {
  const foreign = /^(SUPABASE_|PG|DENO_SERVE_ADDRESS$)/;
  return Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => !foreign.test(name)));
}

const ROOT = pathOf("..", import.meta.url);

/** The path of a file beside a module, whatever the folders above it are called. */
export function pathOf(relative: string, base: string): string {
  return fileURLToPath(new URL(relative, base));
}

/**
 * Runs a program to its end, in the {@link cleanEnvironment}.
 *
 * @returns what it wrote to stdout
 * @throws {Error} with what it wrote if it fails
 */
function run(command: string, args: string[], cwd: string, input = ""): Promise<string> {
  const env = { ...cleanEnvironment(), NO_COLOR: "1", DO_NOT_TRACK: "1" };
  // Only a shell runs a batch file.
  const shell = command.endsWith(".cmd");
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { cwd, env, shell, maxBuffer: Infinity }, (error, out, err) => {
      if (!error) return resolve(out);
      reject(new Error(`${command} ${args.join(" ")} failed with ${error.code}: ${err}${out}`));
    });
    child.stdin?.end(input);
  });
}

/** Runs a subcommand of Deno; see {@link run}. */
export function deno(args: string[], input = "", cwd = ROOT): Promise<string> {
  return run(Deno.execPath(), args, cwd, input);
}

/** Runs the program of an npm package, given with its version; see {@link run}. */
export function npx(pack: string, args: string[], { cwd = ROOT } = {}): Promise<string> {
  const command = ["--prefer-offline", "-y", pack, ...args];
  if (Deno.build.os !== "windows") return run("npx", command, cwd);
  // The shell would split an argument at its blanks.
  return run("npx.cmd", command.map((arg) => `"${arg}"`), cwd);
}

/** Runs the Supabase CLI, for example `["db", "push"]`; see {@link npx}. */
export function supabase(args: string[], where?: { cwd: string }): Promise<string> {
  return npx(SUPABASE_CLI, args, where);
}
