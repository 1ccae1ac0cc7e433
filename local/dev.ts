/**
 * `deno task dev`: the local stack until Ctrl-C, and what to try on it.
 *
 * @module
 */

import { DEMO_PASSWORD, PUBLISHABLE_KEY, type Stack, startStack } from "./stack.ts";

const DEMO_USERS = [
  { email: "importing@example.com", sees: "an active job with its progress" },
  { email: "finished@example.com", sees: "the most recent finished job" },
  { email: "new@example.com", sees: '{"active":false,"recent_job":null}: the agency never synced' },
  { email: "nobody@example.com", sees: "403: the user belongs to no agency" },
];

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
console.log(`
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
    await stack.stop();
    Deno.exit(0);
  });
}

function stopWith(sentence: string): never {
  console.error(sentence);
  Deno.exit(1);
}
