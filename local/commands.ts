import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

export const SUPABASE_CLI = "supabase@3.1.0";

/** The signals by which people and systems end a process. */
export const END_SIGNALS: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** The oldest major version of Node.js that the tasks run on, as README and CI name it. */
export const OLDEST_NODE = 20;

/** The caller's environment without what would lead to another project, database or port. */
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
function run(command: string, args: string[], cwd: string, input = "", shell = false): Promise<string> {
  const env = { ...cleanEnvironment(), NO_COLOR: "1", DO_NOT_TRACK: "1" };
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

/** Runs the program of an npm package with its exact version; see {@link run}. */
export function npx(pack: string, args: string[], { cwd = ROOT } = {}): Promise<string> {
  const command = ["--prefer-offline", "-y", pack, ...args];
  if (Deno.build.os !== "windows") return run("npx", command, cwd);
  // There npx is a batch file, which only a shell runs; blanks in its arguments need quotes.
  return run("npx.cmd", command.map((arg) => `"${arg}"`), cwd, "", true);
}

/** Runs the Supabase CLI, for example `["db", "push"]`; see {@link npx}. */
export function supabase(args: string[], where?: { cwd: string }): Promise<string> {
  return npx(SUPABASE_CLI, args, where);
}
