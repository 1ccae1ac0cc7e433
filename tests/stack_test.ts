/** The local stack's gateway, as far as fetch can't speak to it. */

import assert from "node:assert/strict";
import { FUNCTION_PATH, startStack } from "../local/stack.ts";
import { test } from "./support/helpers.ts";

test("the gateway hands every method and every path below its own to the function", async () => {
  const stack = await startStack();
  try {
    const { hostname, port } = new URL(stack.url);
    for (
      const [asked, status] of Object.entries({
        "TRACE ": 405,
        "get ": 405,
        "GET /": 401,
        "GET /sub/path": 401,
      })
    ) {
      using connection = await Deno.connect({ hostname, port: Number(port) });
      const [method, path] = asked.split(" ");
      const request =
        `${method} ${FUNCTION_PATH}${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
      await connection.write(new TextEncoder().encode(request));
      const answer = await new Response(connection.readable).text();
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} [^]*"code":`), asked);
    }
  } finally {
    await stack.stop();
  }
});
