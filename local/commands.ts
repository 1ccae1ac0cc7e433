/**
 * Runs other programs: Deno's own subcommands and the Supabase CLI.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** The version of the Supabase CLI that everything here was tried with. */
export const SUPABASE_CLI = "supabase@3.1.0";

/** The signals by which people and systems end a process. */
export const END_SIGNALS: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** The oldest major version of Node.js that the tasks run on. */
export const OLDEST_NODE = 20;

/**
 * Looks which Node.js the task was started with.
 *
 * @throws {Error} with one sentence where it is too old for the Supabase CLI
 */
export function requireNode(): void {
  // npx says there what it runs on.
  const [, version, major] = /\bnode\/v((\d+)\S*)/.exec(Deno.env.get("npm_config_user_agent") ?? "") ?? [];
  if (Number(major) < OLDEST_NODE) {
    throw new Error(`Node.js ${OLDEST_NODE} or newer is needed; this is ${version}. See https://nodejs.org`);
  }
}

/** Variables of the caller's environment that would change what a program here does. */
const FOREIGN = /^(SUPABASE_|PG|DENO_SERVE_ADDRESS$)/;

/** The caller's environment without what belongs to a Supabase project, a database or a server of the caller's. */
export function cleanEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => !FOREIGN.test(name)));
}

/** The path of a file beside a module, whatever the folders above it are called. */
export function pathOf(relative: string, base: string): string {
  return fileURLToPath(new URL(relative, base));
}

/**
 * Runs a subcommand of Deno to its end.
 *
 * @param input what it reads from stdin
 * @param cwd the folder that it runs in; without it, that of this process
 * @returns what it wrote to stdout
 * @throws {Error} with what it wrote when it fails
 */
export async function deno(args: string[], input = "", cwd?: string): Promise<string> {
  const child = spawn(Deno.execPath(), args, { cwd, env: { ...cleanEnvironment(), NO_COLOR: "1" } });
  child.stdin.end(input);
  return await output(child, `deno ${args.join(" ")}`);
}

/** How {@link npx} runs a program. */
export interface NpxOptions {
  /** Variables beside the caller's own, of which those of Supabase and PostgreSQL are left out. */
  env?: Record<string, string>;
  /** The folder that it runs in; without it, that of this project. */
  cwd?: string;
}

/**
 * Runs the program of an npm package to its end; it ends with this process, however that ends.
 *
 * @param pack the package with its exact version
 * @returns what it wrote to stdout
 * @throws {Error} with what it wrote when it fails, or where Node.js is too old
 */
export async function npx(
  pack: string,
  args: string[],
  { env = {}, cwd = pathOf("..", import.meta.url) }: NpxOptions = {},
): Promise<string> {
  requireNode();
  const tether = pathOf("tether.ts", import.meta.url);
  const command = ["npx", "--prefer-offline", "-y", pack, ...args];
  const child = spawn(Deno.execPath(), ["run", "--quiet", "--allow-all", tether, ...command], {
    cwd,
    env: { ...cleanEnvironment(), NO_COLOR: "1", DO_NOT_TRACK: "1", ...env },
    // In a process group of its own: Ctrl-C in a terminal ends this process, and that ends the tether.
    detached: Deno.build.os !== "windows",
  });
  return await output(child, command.join(" "));
}

/** Runs the Supabase CLI to its end, for example `["db", "push"]`; see {@link npx}. */
export function supabase(args: string[], options?: NpxOptions): Promise<string> {
  return npx(SUPABASE_CLI, args, options);
}

async function output(child: ReturnType<typeof spawn>, command: string): Promise<string> {
  if (!child.stdout || !child.stderr) throw new Error(`${command} has no output to read`);
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => {
      child.once("close", resolve);
      child.once("error", reject);
    }),
  ]);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}
