/**
 * `deno task dev`: the local stack and the example page until Ctrl-C, and what
 * to try on them. A demo worker moves the first agency's job, unless `--still`.
 *
 * @module
 */

import { startDemoWorker } from "./demo_worker.ts";
import { DEMO_USERS, startPage } from "./page.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY, type Stack, startStack } from "./stack.ts";

const port = Number(Deno.env.get("PORT") || 54321);
if (!Number.isInteger(port) || port < 0 || port > 65535) {
  stopWith(`PORT must be a number from 0 to 65535, not "${Deno.env.get("PORT")}".`);
}

let stack: Stack;
try {
  stack = await startStack({ port, watch: true, say: console.log, onFunctionLine: console.log });
} catch (error) {
  if (!(error instanceof Deno.errors.AddrInUse)) throw error;
  stopWith(`Port ${port} is taken. Choose another: PORT=54421 npx -y deno@2.9.6 task dev`);
}

const { url, functionUrl } = stack;
const page = await startPage(url);
const worker = Deno.args.includes("--still") ? undefined : startDemoWorker(url);
console.log(`
Page         ${page.url}  (sign in as a demo user and watch)
Supabase     ${url}  (Auth at /auth/v1, REST at /rest/v1)
Function     ${functionUrl}
Publishable  ${PUBLISHABLE_KEY}
Password     ${DEMO_PASSWORD}  (of each demo user)
`);

for (const { email, sees } of DEMO_USERS) {
  const token = await stack.signIn(email);
  console.log(`${email}, password ${DEMO_PASSWORD}, sees ${sees}:
curl -i ${functionUrl} -H 'apikey: ${PUBLISHABLE_KEY}' -H 'Authorization: Bearer ${token}'
`);
}
console.log(
  "The tokens last an hour. A change to the function's files is picked up. Ctrl-C ends everything.",
);

let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, async () => {
    if (stopping) return;
    stopping = true;
    await worker?.stop();
    await page.stop();
    await stack.stop();
    Deno.exit(0);
  });
}

function stopWith(sentence: string): never {
  console.error(sentence);
  Deno.exit(1);
}
