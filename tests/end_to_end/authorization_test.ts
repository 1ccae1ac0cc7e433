import assert from "node:assert/strict";
import { type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { JWT_SECRET } from "../../local/stack.ts";
import { type Answer, poll, reportSkipped, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const { importing, finished, fresh } = await project.addTestData();
const { token } = importing;

const askWith = (Authorization: string) =>
  poll(project.functionUrl, undefined, { headers: { Authorization } });

/** It is the same for every cause. */
function is401({ status, headers, body }: Answer): void {
  assert.equal(status, 401);
  assert.equal(headers.get("WWW-Authenticate"), "Bearer");
  assert.deepEqual(body, {
    error: "Sign in and send a valid access token as Bearer token in the Authorization header.",
    code: "unauthorized",
  });
}

/** Makes a token as the local stack's Auth does. */
function forge(claims: JWTPayload): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  return new SignJWT({ role: "authenticated", aud: "authenticated", exp, ...claims })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode(JWT_SECRET));
}

const [header, payload = "", signature] = token.split(".");
const another = btoa(atob(payload).replace(importing.id, finished.id)).replaceAll("=", "");

if (Deno.env.has("TEST_PROJECT")) reportSkipped("a forged token", "its right key is not known");
else {
  test("GET accepts a forged token with a live session's claims", async () => {
    // So the refusals below do not come from the forging.
    const { session_id } = JSON.parse(atob(payload));
    const copy = await forge({ sub: importing.id, session_id });
    assert.equal((await askWith(`Bearer ${copy}`)).status, 200);
  });
}

const REFUSED = {
  "the publishable key": project.publishableKey,
  "a legacy anon key": await forge({ role: "anon" }),
  "a token without a signature": new UnsecuredJWT(JSON.parse(atob(payload))).encode(),
  "a token with another user's id in the place of its own": `${header}.${another}.${signature}`,
  "an expired token": await forge({ sub: importing.id, exp: 1 }),
};
for (const [what, refused] of Object.entries(REFUSED)) {
  test(`GET answers 401 to ${what}`, async () => is401(await askWith(`Bearer ${refused}`)));
}

test("GET answers 401 without an Authorization header and with another scheme", async () => {
  is401(await poll(project.functionUrl));
  is401(await askWith(`Basic ${token}`));
});

test("GET answers 401 on the next poll after a sign-out", async () => {
  const session = `Bearer ${finished.token}`;
  assert.equal((await askWith(session)).status, 200);
  const headers = { "apikey": project.publishableKey, "Authorization": session };
  assert.equal((await fetch(`${project.url}/auth/v1/logout`, { method: "POST", headers })).status, 204);
  is401(await askWith(session));
});

test("GET answers 401 on the next poll after the user is deleted", async () => {
  assert.equal((await poll(project.functionUrl, fresh.token)).status, 200);
  await project.removeUser(fresh.id);
  is401(await poll(project.functionUrl, fresh.token));
});
