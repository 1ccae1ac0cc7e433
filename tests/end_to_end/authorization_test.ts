/** Missing or invalid Authorization header or token: 401, end to end. */

import assert from "node:assert/strict";
import { SignJWT, UnsecuredJWT } from "jose";
import { keepsContract, leftOut, poll, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const { importing, finished, fresh } = await project.addScene();
const token = await project.signIn(importing);

const ANOTHER_SECRET = "another-secret-of-at-least-32-characters";
const { secret } = project;
if (!secret) {
  leftOut(
    "GET answers 401 to tokens that are forged with the project's own key",
    "the key is not known: SUPABASE_JWT_SECRET names it",
  );
}

async function is401(authorization: string | undefined): Promise<void> {
  const headers: Record<string, string> = authorization === undefined
    ? {}
    : { "Authorization": authorization };
  const { status, headers: answered } = await poll(project.functionUrl, undefined, { headers });
  assert.equal(status, 401);
  assert.equal(answered.get("WWW-Authenticate"), "Bearer");
}

/** A token as Auth issues it, with these claims. Signed with the project's key where that is known. */
function forge(
  claims: Record<string, unknown>,
  key = secret ?? ANOTHER_SECRET,
  expiry: number | string = "1h",
): Promise<string> {
  return new SignJWT({ role: "authenticated", aud: "authenticated", ...claims })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuedAt(0)
    .setExpirationTime(expiry)
    .sign(new TextEncoder().encode(key));
}

if (secret) {
  test("GET accepts a forged token with the right key and a live session's claims", async () => {
    // So the refusals below come from their changes, not from the forging.
    const { session_id } = JSON.parse(atob(token.split(".")[1] ?? ""));
    const copy = await forge({ sub: importing.id, session_id });
    assert.equal((await poll(project.functionUrl, copy)).status, 200);
  });
}

test("GET answers 401 without an Authorization header", () => is401(undefined));
test("GET answers 401 with an empty Authorization header", () => is401(""));
test("GET answers 401 with the scheme alone", () => is401("Bearer"));
test("GET answers 401 with an empty token", () => is401("Bearer "));
test("GET answers 401 with another scheme", () =>
  is401(`Basic ${btoa(`${importing.email}:${project.password}`)}`));
test("GET answers 401 with the token and no scheme", () => is401(token));
test("GET answers 401 with a token cut short", () => is401(`Bearer ${token.slice(0, -5)}`));
test("GET answers 401 with a token cut to its payload", () =>
  is401(`Bearer ${token.split(".").slice(0, 2).join(".")}`));
test("GET answers 401 with two tokens", () => is401(`Bearer ${token}, Bearer ${token}`));
test("GET answers 401 with an oversized token", () => is401(`Bearer ${token}${"A".repeat(20_000)}`));
test("GET answers 401 with a token that is not a JWT", () => is401("Bearer not-a-jwt"));
test("GET answers 401 with a JWT whose payload is not JSON", () =>
  is401(`Bearer e30.${btoa("hello").replaceAll("=", "")}.c2ln`));
test("GET answers 401 with a JWT whose payload is not an object", () => is401("Bearer e30.bnVsbA.c2ln"));
test("GET answers 401 with the publishable key as Bearer token", () =>
  is401(`Bearer ${project.publishableKey}`));
test("GET answers 401 with a legacy anon key as Bearer token", async () =>
  is401(`Bearer ${await forge({ role: "anon" })}`));
test("GET answers 401 with a token without sub", async () => is401(`Bearer ${await forge({})}`));
test("GET answers 401 with a token whose sub is not a UUID", async () =>
  is401(`Bearer ${await forge({ sub: "1 or 1=1" })}`));
test("GET answers 401 with a token whose sub is a list", async () => {
  await is401(`Bearer ${await forge({ sub: [importing.id] })}`);
});
test("GET answers 401 with a token signed with another key", async () => {
  await is401(`Bearer ${await forge({ sub: importing.id }, ANOTHER_SECRET)}`);
});
test("GET answers 401 with a token without a signature (alg none)", async () => {
  await is401(
    `Bearer ${
      new UnsecuredJWT({ sub: importing.id, role: "authenticated" }).setExpirationTime("1h").encode()
    }`,
  );
  await is401(
    `Bearer ${
      new UnsecuredJWT({ sub: importing.id, role: "authenticated" }).setExpirationTime("1h").encode()
    }c2ln`,
  );
});
test("GET answers 401 with another user's id in a token whose signature is kept", async () => {
  const [header, payload = "", signature] = token.split(".");
  const changed = btoa(atob(payload).replace(importing.id, finished.id)).replaceAll(
    "=",
    "",
  );
  await is401(`Bearer ${header}.${changed}.${signature}`);
});
test("GET answers 401 with an expired token", async () =>
  is401(`Bearer ${await forge({ sub: importing.id }, undefined, 1)}`));
test("GET answers 401 with a token of a user whom Auth does not know", async () => {
  await is401(`Bearer ${await forge({ sub: "d0000000-0000-4000-8000-00000000000d" })}`);
});

test("GET answers 401 on the next poll after a sign-out", async () => {
  const session = await project.signIn(finished);
  assert.equal((await poll(project.functionUrl, session)).status, 200);
  const signedOut = await fetch(`${project.url}/auth/v1/logout`, {
    method: "POST",
    headers: { "apikey": project.publishableKey, "Authorization": `Bearer ${session}` },
  });
  assert.equal(signedOut.status, 204);
  await is401(`Bearer ${session}`);
});

test("GET answers 401 on the next poll after the user is deleted", async () => {
  const session = await project.signIn(fresh);
  assert.equal((await poll(project.functionUrl, session)).status, 200);
  await project.sql("delete from auth.users where id = $1", [fresh.id]);
  await is401(`Bearer ${session}`);
});

for (const scheme of ["bearer", "BEARER", "bEaReR"]) {
  test(`GET accepts the scheme written as ${scheme}`, async () => {
    const headers = { "Authorization": `${scheme}  ${token} ` };
    assert.equal((await poll(project.functionUrl, undefined, { headers })).status, 200);
  });
}

test("a 401 has the same body for every cause", async () => {
  const answers = await Promise.all(
    ["", "Bearer x", `Bearer ${await forge({ sub: importing.id }, undefined, 1)}`].map(async (
      authorization,
    ) => (await keepsContract(await fetch(project.functionUrl, { headers: { authorization } }))).text),
  );
  assert.equal(new Set(answers).size, 1);
});
