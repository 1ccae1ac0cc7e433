/** A task leaves no process behind, however it ends. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { pathOf } from "../local/commands.ts";
import { test, until } from "./support/helpers.ts";

/** Starts `deno task dev` on free ports and waits for its last line. */
async function startDev(): Promise<{ pid: number; addresses: string[]; mark: string }> {
  const mark = crypto.randomUUID();
  const child = spawn(Deno.execPath(), ["task", "dev"], {
    cwd: pathOf("..", import.meta.url),
    env: { ...Deno.env.toObject(), PORT: "0", PAGE_PORT: "0", MARK: mark, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const addresses: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const address = /^(?:Page|Function) +(\S+)/.exec(line)?.[1];
    if (address) addresses.push(address);
    if (line.includes("Ctrl-C")) break;
  }
  assert.equal(addresses.length, 2, "it printed the addresses of the page and of the function");
  return { pid: child.pid ?? 0, addresses, mark };
}

/** A server that prints its address, and never ends by itself. */
const SERVER = "Deno.serve({ port: 0, hostname: '127.0.0.1' }, () => new Response())";

/** The processes with a mark in their environment; only Linux shows it. */
async function marked(mark: string): Promise<number[]> {
  if (Deno.build.os !== "linux") return [];
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await Deno.readTextFile(`/proc/${name}/environ`).catch(() => "");
    if (environment.includes(mark)) found.push(Number(name));
  }
  return found;
}

const answers = (address: string) =>
  fetch(address).then(({ body }) => body?.cancel()).then(() => true, () => false);

// On Windows every signal is a kill.
const SIGNALS = Deno.build.os === "windows" ? ["SIGKILL"] : ["SIGKILL", "SIGTERM", "SIGINT"];
for (const signal of SIGNALS) {
  test(`\`deno task dev\` leaves no process behind after ${signal}`, async () => {
    const { pid, addresses, mark } = await startDev();
    if (Deno.build.os === "linux") assert((await marked(mark)).length >= 3, "its processes have the mark");
    for (const address of addresses) assert(await answers(address));
    process.kill(pid, signal);
    await until(async () => {
      for (const address of addresses) if (await answers(address)) return false;
      return (await marked(mark)).length === 0;
    });
  });
}

test("tether.ts ends its command and all child processes when stdin ends", async () => {
  const tether = pathOf("../local/tether.ts", import.meta.url);
  const command = [Deno.execPath(), "eval", SERVER];
  const child = spawn(Deno.execPath(), ["run", "--quiet", "--allow-all", tether, ...command], {
    stdio: ["pipe", "inherit", "pipe"],
  });
  let address = "";
  for await (const line of createInterface({ input: child.stderr })) {
    address = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? "";
    if (address) break;
  }
  assert(await answers(address));
  child.stdin.end();
  await until(async () => !await answers(address));
});
