import { deno, pathOf } from "./commands.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY, type Stack } from "./stack.ts";

/** The demo users of seed.sql. */
export const DEMO_USERS = [
  { email: "importing@example.com", sees: "an active job with its progress" },
  { email: "finished@example.com", sees: "the most recent finished job" },
  { email: "new@example.com", sees: '{"active":false,"recent_job":null}: the agency never synced' },
  { email: "nobody@example.com", sees: "403: the user belongs to no agency" },
];

type Project = Pick<Stack, "url" | "sql">;

/** Requests an import for the agency of the user whose Bearer token came; gives an HTTP status. */
async function requestImport(project: Project, authorization: string): Promise<number> {
  const headers = { apikey: PUBLISHABLE_KEY, authorization };
  const user = await fetch(`${project.url}/auth/v1/user`, { headers });
  if (!user.ok) return 401;
  const { id } = await user.json();
  const insert = `
    insert into public.historical_sync_jobs (agency_id, date_from, date_to)
    select agency_id, '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z' from public.users
    where id = $1 and agency_id is not null
    on conflict do nothing
    returning id`;
  const inserted = await project.sql(insert, [id]);
  return inserted.length > 0 ? 201 : 409;
}

/**
 * Serves the example page and its back end, which requests imports, on a port of its own:
 * so its requests to the stack are cross-origin, as in production.
 *
 * @throws {Deno.errors.AddrInUse} when the port is taken
 */
export async function startPage(project: Project, port = 0) {
  const html = await Deno.readTextFile(pathOf("../examples/page/index.html", import.meta.url));
  const page = new Blob([html], { type: "text/html" });
  const entry = pathOf("../examples/page/page.ts", import.meta.url);
  const bundle = await deno(["bundle", "--quiet", "--minify", "--platform", "browser", entry]);
  const script = new Blob([bundle], { type: "text/javascript" });
  const users = DEMO_USERS.map(({ email }) => email);
  const config = { url: project.url, publishableKey: PUBLISHABLE_KEY, password: DEMO_PASSWORD, users };
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response(page);
    if (pathname === "/page.js") return new Response(script);
    if (pathname === "/config.json") return Response.json(config);
    if (pathname !== "/imports") return new Response("no such path", { status: 404 });
    const status = await requestImport(project, request.headers.get("Authorization") ?? "");
    return new Response(null, { status });
  });
  return { url: `http://127.0.0.1:${server.addr.port}/`, stop: () => server.shutdown() };
}
