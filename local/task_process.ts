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

// With it, every server here would listen at that one address.
Deno.env.delete("DENO_SERVE_ADDRESS");
Deno.env.set(
  "NO_PROXY",
  [Deno.env.get("NO_PROXY") ?? Deno.env.get("no_proxy"), ...LOOPBACK].filter(Boolean).join(),
);

/** What the system says of a running process. */
interface Process {
  parent: number;
  commandLine: string;
}

const execute = promisify(execFile);

/** Asks the system for a process; rejects where there is none. */
async function look(pid: number): Promise<Process> {
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
  if (!parent) throw new Error(`there is no process ${pid}`);
  return { parent: Number(parent), commandLine };
}

/** A shell, which may start a command in the background and end before it. */
const SHELL = /^(\S*[\\/])?(\w*sh|cmd)(\.exe)?["\s]/i;

/**
 * This process and those that started it, up to the command that a person or a
 * CI job gave: `deno run …`, `deno task …`, `sh -c 'deno' …`, `npm exec deno …`.
 */
async function commandChain(): Promise<number[]> {
  const chain = [{ pid: Deno.pid, commandLine: "" }];
  try {
    for (let pid = Deno.ppid; chain.length < 8;) {
      const { parent, commandLine } = await look(pid);
      if (!/deno/i.test(commandLine)) break;
      chain.push({ pid, commandLine });
      pid = parent;
    }
  } catch {
    // Nobody above is known: nothing more to watch.
  }
  while (SHELL.test(chain.at(-1)?.commandLine ?? "")) chain.pop();
  return chain.map(({ pid }) => pid);
}

/** Whether a process still runs under the parent that started it. */
async function isHeld(pid: number, parent: number): Promise<boolean> {
  try {
    // A parent that was killed may stay as a zombie until somebody reaps it; its children move at once.
    if (Deno.build.os === "linux") return (await look(pid)).parent === parent;
    return process.kill(parent, 0);
  } catch {
    return false;
  }
}

/** Ends this process: told to first, so that it can take away what it made, then regardless. */
function end(): void {
  clearInterval(timer);
  Deno.kill(Deno.pid, "SIGTERM");
  setTimeout(() => Deno.kill(Deno.pid, "SIGKILL"), PATIENCE_MS);
}

const chain = await commandChain();
const timer = setInterval(async () => {
  for (const [i, parent] of chain.slice(1).entries()) {
    if (!await isHeld(chain[i] ?? 0, parent)) return end();
  }
}, CHECK_MS);
Deno.unrefTimer(timer);
