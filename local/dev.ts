/** `deno task dev`: the local stack and the example page until Ctrl-C, and what to try on them. */

import { parseArgs } from "node:util";
import { END_SIGNALS } from "./commands.ts";
import { startDemoWorker } from "./demo_worker.ts";
import { DEMO_USERS, startPage } from "./page.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY, SECRET_KEY, startStack } from "./stack.ts";

const port = Number(Deno.env.get("PORT") || 54_321);
const pagePort = Number(Deno.env.get("PAGE_PORT") || port && port + 1);
const started: { stop(): Promise<void> }[] = [];

/** Ends what has started, last first, and this process after 2.5 s at most: the function ends with it. */
async function stop(code: number): Promise<void> {
  setTimeout(() => Deno.exit(code), 2_500);
  for (const { stop } of started.toReversed()) await stop().catch(() => {});
  Deno.exit(code);
}

async function start(): Promise<void> {
  const { values: { still } } = parseArgs({ args: Deno.args, options: { still: { type: "boolean" } } });
  const stack = await startStack({ port, watch: true, log: console.log });
  started.push(stack);
  console.log("Bundling the example page …\n");
  const page = await startPage(stack, pagePort);
  started.push(page);

  for (const { email, sees } of DEMO_USERS) {
    const token = await stack.signIn(email);
    console.log(`${email} sees ${sees}:
curl -i ${stack.functionUrl} -H 'apikey: ${PUBLISHABLE_KEY}' -H 'Authorization: Bearer ${token}'
`);
  }
  console.log(`Page         ${page.url}  (sign in as a demo user and watch)
Password     ${DEMO_PASSWORD}  (of each demo user)
Function     ${stack.functionUrl}
Supabase     ${stack.url}  (Auth at /auth/v1, REST at /rest/v1)
Publishable  ${PUBLISHABLE_KEY}
Secret       ${SECRET_KEY}  (for a worker of your own: docs/jobs.md)
`);
  if (!still) {
    started.push(startDemoWorker(stack));
    console.log("A demo worker moves the active jobs; --still starts none.");
  }
  console.log("Changes to the function are picked up. Ctrl-C ends everything.");
}

for (const signal of END_SIGNALS) Deno.addSignalListener(signal, () => stop(0));
await start().catch((error) => {
  console.error(error.message);
  if (error instanceof Deno.errors.AddrInUse) {
    console.error(
      `Port ${started.length ? pagePort : port} is taken: PORT=0 and PAGE_PORT=0 choose free ones.`,
    );
  }
  return stop(1);
});
