/** The local stack: what its gateway passes on, and its database after a start that was cut off. */

import assert from "node:assert/strict";
import { connectionFromImage } from "../local/database.ts";
import { project } from "../local/platform.ts";
import { FUNCTION_PATH, startStack } from "../local/stack.ts";
import { test } from "./support/helpers.ts";

test("the gateway hands every method and every path below its own to the function", async () => {
  const stack = await startStack();
  const { hostname, port } = new URL(stack.url);
  const cases = { "TRACE ": 405, "get ": 405, "GET /": 401, "GET /sub/path": 401 };
  try {
    for (const [asked, status] of Object.entries(cases)) {
      // fetch can send none of them.
      using connection = await Deno.connect({ hostname, port: Number(port) });
      const [method, path] = asked.split(" ");
      const head =
        `${method} ${FUNCTION_PATH}${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
      await connection.write(new TextEncoder().encode(head));
      const answer = await new Response(connection.readable).text();
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} [^]*"code":`), asked);
    }
  } finally {
    await stack.stop();
  }
});

test("an image of the database that was cut off is made anew", async () => {
  const file = await Deno.makeTempFile();
  try {
    // gzip's first bytes, as of each image.
    await Deno.writeFile(file, Uint8Array.of(0x1f, 0x8b, 8, 0));
    const connection = await connectionFromImage(file, await project());
    assert.equal((await connection.driver.query("select from public.users")).rows.length, 0);
    await connection.close();
    assert((await Deno.stat(file)).size > 1_000_000);
  } finally {
    await Deno.remove(file);
  }
}, 240_000);
