import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { pathOf } from "../local/commands.ts";
import { FUNCTION_PATH, startStack } from "../local/stack.ts";
import { reportSkipped, test, until } from "./support/helpers.ts";

test("the gateway hands every method and subpath to the function", async () => {
  const stack = await startStack();
  const { hostname, port } = new URL(stack.url);
  const cases = { "TRACE ": 405, "get ": 405, "GET /": 401, "GET /sub/path": 401 };
  try {
    for (const [asked, status] of Object.entries(cases)) {
      // fetch can send none of them.
      using connection = await Deno.connect({ hostname, port: Number(port) });
      const line = `${asked.replace(" ", ` ${FUNCTION_PATH}`)} HTTP/1.1`;
      const request = `${line}\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
      await connection.write(new TextEncoder().encode(request));
      const answer = await new Response(connection.readable).text();
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} [^]*"code":`), asked);
    }
  } finally {
    await stack.stop();
  }
});

/** Starts Deno, ends it by a signal after a line, and waits until no address that it printed answers. */
async function endsAll(signal: NodeJS.Signals, args: string[], last: RegExp): Promise<void> {
  const env = { ...Deno.env.toObject(), PORT: "0", PAGE_PORT: "0", NO_COLOR: "1" };
  const child = spawn(Deno.execPath(), args, { cwd: pathOf("..", import.meta.url), env });
  const addresses: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    addresses.push(...line.match(/http:\/\/127\.0\.0\.1:\d+/g) ?? []);
    if (last.test(line)) break;
  }
  const answers = (address = "") =>
    fetch(address).then((response) => response.text()).then(() => true, () => false);
  assert(await answers(addresses[0]));
  child.kill(signal);
  for (const address of addresses) await until(async () => !await answers(address));
}

if (Deno.build.os === "windows") reportSkipped("`deno task dev` and SIGTERM", "on Windows that is a kill");
else {
  test("`deno task dev` leaves nothing running after SIGTERM", () =>
    endsAll("SIGTERM", ["task", "dev"], /Ctrl-C/));
}

test("the function ends when the process that started it is killed", async () => {
  const script = `
    import { startFunction } from "./local/function_process.ts";
    const env = { SUPABASE_URL: "http://127.0.0.1:9", SUPABASE_PUBLISHABLE_KEY: "key" };
    console.log((await startFunction({ env })).url);`;
  await endsAll("SIGKILL", ["eval", script], /^http/);
});
