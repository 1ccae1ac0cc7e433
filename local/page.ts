/**
 * Serves the example page on a port of its own, so that its requests to the
 * API are cross-origin as they are in production.
 *
 * @module
 */

import { deno, pathOf } from "./commands.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY } from "./stack.ts";

const PAGE = new URL("../examples/page/", import.meta.url);

/** The demo users of seed.sql, and what the endpoint tells each. */
export const DEMO_USERS = [
  { email: "importing@example.com", sees: "an active job with its progress" },
  { email: "finished@example.com", sees: "the most recent finished job" },
  { email: "new@example.com", sees: '{"active":false,"recent_job":null}: the agency never synced' },
  { email: "nobody@example.com", sees: "403: the user belongs to no agency" },
];

/** The page on its port. */
export interface PageServer {
  url: string;
  /** Bundles the page and shows it from now on, with the project that it talks to. */
  show(supabaseUrl: string): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Takes the port of the page.
 *
 * @param port the port on 127.0.0.1; 0 for a free one
 * @throws {Deno.errors.AddrInUse} when the port is taken
 */
export function startPage(port = 0): PageServer {
  let script = "";
  let config = {};
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
    switch (new URL(request.url).pathname) {
      case "/":
        return new Response(await Deno.readTextFile(new URL("index.html", PAGE)), {
          headers: { "Content-Type": "text/html; charset=utf-8" },
        });
      case "/page.js":
        return new Response(script, { headers: { "Content-Type": "text/javascript; charset=utf-8" } });
      case "/config.json":
        return Response.json(config);
      default:
        return new Response("no such path", { status: 404 });
    }
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    async show(supabaseUrl) {
      const entrypoint = pathOf("../examples/page/page.ts", import.meta.url);
      script = await deno(["bundle", "--quiet", "--minify", "--platform", "browser", entrypoint]);
      config = {
        url: supabaseUrl,
        publishableKey: PUBLISHABLE_KEY,
        password: DEMO_PASSWORD,
        users: DEMO_USERS.map(({ email }) => email),
      };
    },
    stop: () => server.shutdown(),
  };
}
