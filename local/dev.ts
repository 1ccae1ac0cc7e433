/**
 * `deno task dev`: the local stack and the example page until Ctrl-C, and what
 * to try on them. A demo worker moves the jobs, unless `--still`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { END_SIGNALS, requireNode } from "./commands.ts";
import { startDemoWorker } from "./demo_worker.ts";
import { DEMO_USERS, startPage } from "./page.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY, startStack } from "./stack.ts";

/** How long everything may take to end before this process ends regardless, in milliseconds. */
const STOP_MS = 2_500;

const started: { stop(): Promise<void> }[] = [];
let stopping = false;
const say = (line: string) => stopping || console.log(line);

const starting = start().catch((error) => {
  if (!stopping) console.error(error instanceof Error ? error.message : error);
  void stop(1);
});
for (const signal of END_SIGNALS) Deno.addSignalListener(signal, () => stop(0));

/** Ends what was started, last first, and then this process. */
async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  setTimeout(() => Deno.exit(code), STOP_MS);
  await starting;
  for (const { stop } of started.reverse()) await stop().catch(() => {});
  Deno.exit(code);
}

/** Reads a port from the environment; 0 is any free one. */
function portFrom(variable: string, otherwise: number): number {
  const text = Deno.env.get(variable) || String(otherwise);
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536) return Number(text);
  throw new Error(`${variable} must be a number from 0 to 65535, not "${text}".`);
}

/** Says in a sentence why a server gets no port. */
function explain(variable: string, port: number): (error: unknown) => never {
  return (error) => {
    const { AddrInUse, PermissionDenied } = Deno.errors;
    if (!(error instanceof AddrInUse || error instanceof PermissionDenied)) throw error;
    const why = error instanceof AddrInUse ? "is taken" : "is for the system alone";
    throw new Error(`Port ${port} ${why}. ${variable}=0 chooses a free one.`);
  };
}

async function start(): Promise<void> {
  const { values: { still } } = parseArgs({
    args: Deno.args,
    options: { still: { type: "boolean", default: false } },
  });
  requireNode();
  const port = portFrom("PORT", 54_321);
  const pagePort = portFrom("PAGE_PORT", port && port + 1);

  // The page listens first: whether its port is free should show before the rest has been started.
  const page = await Promise.resolve(pagePort).then(startPage).catch(explain("PAGE_PORT", pagePort));
  started.push(page);
  const stack = await startStack({ port, watch: true, say, onFunctionLine: console.log })
    .catch(explain("PORT", port));
  started.push(stack);
  say("Bundling the example page …");
  await page.show(stack);
  if (!still) started.push(startDemoWorker(stack));

  say("");
  for (const { email, sees } of DEMO_USERS) {
    const token = await stack.signIn(email);
    say(`${email} sees ${sees}:
curl -i ${stack.functionUrl} -H 'apikey: ${PUBLISHABLE_KEY}' -H 'Authorization: Bearer ${token}'
`);
  }
  say(`Page         ${page.url}  (sign in as a demo user and watch)
Password     ${DEMO_PASSWORD}  (of each demo user; the tokens above last an hour)
Function     ${stack.functionUrl}
Supabase     ${stack.url}  (Auth at /auth/v1, REST at /rest/v1)
Publishable  ${PUBLISHABLE_KEY}
`);
  if (!still) say("A demo worker moves the active jobs; --still starts none.");
  say("A change to the function's files is picked up. Ctrl-C ends everything.");
}
