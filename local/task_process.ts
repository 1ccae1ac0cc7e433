/**
 * Preloaded by the tasks of deno.json, so that they behave alike on anyone's machine.
 *
 * - Requests to this machine bypass the proxy that HTTP_PROXY names, and
 *   DENO_SERVE_ADDRESS moves no server.
 * - The process ends soon after a process that started it has ended, be it
 *   `deno task` or `npx`: whoever is killed passes no signal on.
 *
 * @module
 */

import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";

const LOOPBACK = ["127.0.0.1", "localhost"];

/** How often it looks, and how long the process may take to end by itself: together under five seconds. */
const CHECK_MS = 1_000;
const PATIENCE_MS = 3_000;

/** Where a process notes the chain of those that started it. */
const CHAIN_VARIABLE = "TASK_PROCESSES";

// With it, every server here would listen at that one address.
Deno.env.delete("DENO_SERVE_ADDRESS");
const noProxy = [Deno.env.get("NO_PROXY") ?? Deno.env.get("no_proxy") ?? "", ...LOOPBACK];
Deno.env.set("NO_PROXY", [...new Set(noProxy.join().split(",").filter(Boolean))].join());

/** What the system says of a running process. */
interface Process {
  parent: number;
  commandLine: string;
}

const execute = promisify(execFile);

/** Asks the system for a process; undefined where there is none, or it can't be told. */
async function look(pid: number): Promise<Process | undefined> {
  try {
    if (Deno.build.os === "linux") {
      const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
      // "pid (name) state parent …"; the name may hold blanks and parentheses.
      const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const commandLine = await Deno.readTextFile(`/proc/${pid}/cmdline`);
      return { parent: Number(parent), commandLine: commandLine.replaceAll("\0", " ") };
    }
    const { stdout } = Deno.build.os === "windows"
      ? await execute("powershell", [
        "-NoProfile",
        "-Command",
        `$p = Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}'; "$($p.ParentProcessId) $($p.CommandLine)"`,
      ])
      : await execute("ps", ["-o", "ppid=,args=", "-p", String(pid)]);
    const [, parent, commandLine = ""] = /^\s*(\d+)\s*(.*)/.exec(stdout) ?? [];
    return parent ? { parent: Number(parent), commandLine } : undefined;
  } catch {
    return undefined;
  }
}

/** `deno …`, as a path with blanks in quotes too. */
const DENO = /^("[^"]*[\\/]|\S*[\\/])?deno[\w.-]*"?\s/i;
/** `sh -c 'deno' …`, as npx starts it. */
const NPX_SHELL = /^\S*sh -c 'deno' /;
const CMD_SHELL = /^("[^"]*[\\/]|\S*[\\/])?cmd(\.exe)?"? .*\bdeno\b/i;
/** `npm exec deno@…`, as npm calls itself, or `node …/npx deno@…`. */
const NPM = /(^|[\\/\s])np[mx](-cli\.js)?"? .*\bdeno\b/;

/**
 * This process and those that started it, up to npx: `deno run …`,
 * `deno task …`, `sh -c 'deno' …`, `npm exec deno …`. Nothing above these
 * counts: it may start a task in the background and end before it.
 *
 * @returns undefined where npx has ended already
 */
async function commandChain(): Promise<number[] | undefined> {
  const chain = [Deno.pid];
  let shell = false;
  for (let pid = Deno.ppid; chain.length < 8;) {
    const found = await look(pid);
    const commandLine = found?.commandLine ?? "";
    const isNpm = NPM.test(commandLine);
    if (shell && !isNpm) return undefined;
    if (
      !found ||
      !(isNpm || DENO.test(commandLine) || NPX_SHELL.test(commandLine) || CMD_SHELL.test(commandLine))
    ) break;
    chain.push(pid);
    if (isNpm) break;
    shell = NPX_SHELL.test(commandLine);
    pid = found.parent;
  }
  return chain;
}

/** Whether a process runs, as far as that can be told. */
function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's process, with which nothing may be done, runs too.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/** Whether a process still runs under the parent that started it. */
async function isHeld(pid: number, parent: number): Promise<boolean> {
  // A parent that was killed may stay as a zombie until somebody reaps it; its children move at once.
  const found = Deno.build.os === "linux" ? await look(pid) : undefined;
  return found ? found.parent === parent : runs(parent);
}

/** Ends this process: told to first, so that it can take away what it made, then regardless. */
function end(): void {
  clearInterval(timer);
  Deno.kill(Deno.pid, "SIGTERM");
  setTimeout(() => Deno.kill(Deno.pid, "SIGKILL"), PATIENCE_MS);
}

/** Ends this process where one of those that started it has ended. */
async function check(): Promise<void> {
  for (const [i, parent] of chain.slice(1).entries()) {
    if (!await isHeld(chain[i] ?? 0, parent)) return end();
  }
}

// `deno test` preloads this once per file: the first to look has seen the chain whole.
const noted = Deno.env.get(CHAIN_VARIABLE)?.split(",").map(Number) ?? [];
const seen = noted[0] === Deno.pid ? noted : await commandChain();
const chain = seen ?? [Deno.pid];
Deno.env.set(CHAIN_VARIABLE, chain.join());

const timer = setInterval(check, CHECK_MS);
Deno.unrefTimer(timer);
// Whoever started this process may have ended before it could look.
if (!seen || (noted[0] && !runs(noted[0]))) end();
else await check();
