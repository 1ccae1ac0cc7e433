/**
 * `deno run --allow-all tether.ts COMMAND …`: runs a command and ends it, with
 * all that it started, when stdin ends or this process is told to end. So it
 * never outlives the process that holds the other end of stdin.
 *
 * @module
 */

import type { spawn as nodeSpawn } from "node:child_process";
import process from "node:process";
import crossSpawn from "cross-spawn";
import { END_SIGNALS } from "./commands.ts";

/** Node's `spawn`, which also finds `npx.cmd` on Windows. */
const spawn: typeof nodeSpawn = crossSpawn;

const windows = Deno.build.os === "windows";
const [command = "", ...args] = Deno.args;

// A process group of its own, so that all of it can be ended at once.
const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], detached: !windows });
child.once("error", ({ message }) => {
  console.error(message);
  Deno.exit(127);
});
child.once("exit", (code) => Deno.exit(code ?? 1));

function end(): void {
  if (windows) spawn("taskkill", ["/pid", String(child.pid), "/t", "/f"]);
  else if (child.pid) process.kill(-child.pid, "SIGKILL");
}

for (const signal of END_SIGNALS) Deno.addSignalListener(signal, end);
for await (const _ of Deno.stdin.readable);
end();
