/**
 * `deno task dev`: the local stack and the example page until Ctrl-C, and what
 * to try on them. A demo worker moves the first agency's job, unless `--still`.
 *
 * @module
 */

import { requireNode } from "./commands.ts";
import { startDemoWorker } from "./demo_worker.ts";
import { DEMO_USERS, startPage } from "./page.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY, startStack } from "./stack.ts";

/** How long everything may take to end before this process ends regardless, in milliseconds. */
const STOP_MS = 2_500;

const port = portFrom("PORT", 54321);
const pagePort = portFrom("PAGE_PORT", port && port + 1);

const started: { stop(): Promise<void> }[] = [];
let stopping = false;
const SIGNALS: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];
for (const signal of SIGNALS) Deno.addSignalListener(signal, () => stop(0));

/** Ends what was started, last first, and then this process. */
async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  setTimeout(() => Deno.exit(code), STOP_MS);
  for (const { stop } of started.reverse()) await stop().catch(() => {});
  Deno.exit(code);
}

try {
  requireNode();
  const stack = await listening(
    "PORT",
    port,
    (port) => startStack({ port, watch: true, say: console.log, onFunctionLine: console.log }),
  );
  started.push(stack);
  console.log("Starting the example page …");
  const page = await listening("PAGE_PORT", pagePort, (port) => startPage(stack.url, port));
  started.push(page);
  if (!Deno.args.includes("--still")) started.push(startDemoWorker(stack.url));

  console.log(`
Page         ${page.url}  (sign in as a demo user and watch)
Function     ${stack.functionUrl}
Supabase     ${stack.url}  (Auth at /auth/v1, REST at /rest/v1)
Publishable  ${PUBLISHABLE_KEY}
Password     ${DEMO_PASSWORD}  (of each demo user)
`);
  for (const { email, sees } of DEMO_USERS) {
    const token = await stack.signIn(email);
    console.log(`${email} sees ${sees}:
curl -i ${stack.functionUrl} -H 'apikey: ${PUBLISHABLE_KEY}' -H 'Authorization: Bearer ${token}'
`);
  }
  console.log(
    "The tokens last an hour. A change to the function's files is picked up. Ctrl-C ends everything.",
  );
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await stop(1);
}

/** Reads a port from the environment; 0 is any free one. */
function portFrom(name: string, otherwise: number): number {
  const text = Deno.env.get(name) || String(otherwise);
  if (/^\d{1,5}$/.test(text) && Number(text) < 65536) return Number(text);
  console.error(`${name} must be a number from 0 to 65535, not "${text}".`);
  Deno.exit(1);
}

/** Starts what listens on a port, or says in a sentence why it can't. */
async function listening<Started>(
  name: string,
  port: number,
  start: (port: number) => Promise<Started>,
): Promise<Started> {
  try {
    return await start(port);
  } catch (error) {
    const another = `Set ${name} to another, for example ${name}=${
      port < 50_000 ? port + 50_000 : port - 100
    }.`;
    if (error instanceof Deno.errors.AddrInUse) throw new Error(`Port ${port} is taken. ${another}`);
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new Error(`Port ${port} is for the system alone. ${another}`);
    }
    throw error;
  }
}
