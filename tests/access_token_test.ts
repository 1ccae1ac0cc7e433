import assert from "node:assert/strict";
import type { Clock } from "@sinonjs/fake-timers";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom, forgetSession, keepSession, watchUserId } from "../examples/client/access_token.ts";
import { watchSyncStatus } from "../examples/client/watch_sync_status.ts";
import { never, testOnFakeClock } from "./support/fake_clock.ts";

const HOUR = 3_600;
const REFRESH = "https://project.test/auth/v1/token?grant_type=refresh_token";

type Answer = () => Response;
const refuses = (status: number, code?: string): Answer => () =>
  Response.json({ code }, { status, headers: { "X-Supabase-Api-Version": "2024-01-01" } });

/** A model of Auth, and tabs that share a storage. Tokens are a user and a number. */
class Auth {
  fault: Answer | undefined;
  requests: string[] = [];
  #sessions = 0;

  constructor(readonly clock: Clock) {}

  #begin(user: string) {
    const token = `${user} ${this.#sessions++}`;
    const expires_at = Date.now() / 1_000 + HOUR;
    return { access_token: token, refresh_token: token, expires_in: HOUR, expires_at, user: { id: user } };
  }

  #answer: typeof fetch = async (input, init) => {
    this.requests.push(String(input));
    if (this.fault) return this.fault();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { email, refresh_token } = JSON.parse(String(init?.body));
    return Response.json(this.#begin(email ?? refresh_token.split(" ")[0]));
  };

  store(user?: string): void {
    sessionStorage.clear();
    if (user) sessionStorage.setItem("session", JSON.stringify(this.#begin(user)));
  }

  open(): SupabaseClient {
    const auth = { storageKey: "session", storage: sessionStorage };
    return createClient("http://project.test", "key", { auth, global: { fetch: keepSession(this.#answer) } });
  }

  async openAs(user: string, secondsAgo = 0): Promise<SupabaseClient> {
    this.store(user);
    await this.pass(secondsAgo);
    return this.open();
  }

  pass = (seconds: number) => this.clock.tickAsync(seconds * 1_000);

  /** What a call gives within these seconds, or the name of what it throws. */
  async settle<Result>(call: Promise<Result>, seconds = 100): Promise<Result | string> {
    let result: Result | string = "nothing yet";
    call.catch((error: Error) => error.name).then((given) => result = given);
    await this.pass(seconds);
    return result;
  }

  signIn = (tab: SupabaseClient, email: string) =>
    this.settle(tab.auth.signInWithPassword({ email, password: "password" }));
}

const withAuth = (sentence: string, check: (auth: Auth) => Promise<void>) =>
  testOnFakeClock(sentence, Date.parse("2025-03-15T10:00:00Z"), async (clock) => {
    sessionStorage.clear();
    await check(new Auth(clock));
  });

withAuth("accessTokenFrom gives what is stored, refreshed only if that was refused", async (auth) => {
  const getAccessToken = accessTokenFrom((await auth.openAs("ann")).auth, "ann");
  assert.equal(await auth.settle(getAccessToken()), "ann 0");
  assert.equal(await auth.settle(getAccessToken("ann 0")), "ann 1");
  assert.equal(await auth.settle(getAccessToken("ann 0")), "ann 1");
  assert.equal(await auth.settle(getAccessToken("ann 1")), "ann 2");
});

withAuth("accessTokenFrom rejects if the user's session is not stored, until none is twice", async (auth) => {
  const getAccessToken = accessTokenFrom(auth.open().auth, "bob");
  const given: unknown[] = [];
  for (const user of [undefined, "bob", undefined, "ann", undefined, undefined]) {
    auth.store(user);
    given.push(await auth.settle(getAccessToken()));
  }
  assert.deepEqual(given, ["Error", "bob 0", "Error", "Error", "Error", null]);
});

withAuth(
  "a watch whose user's session is stored 300 ms late gives a status, and no sign-out",
  async (auth) => {
    const tab = await auth.openAs("ann");
    globalThis.fetch = () => Promise.resolve(Response.json({ active: false, recent_job: null }));
    const seen: string[] = [];
    const end = new AbortController();
    watchSyncStatus({
      url: "http://project.test/functions/v1/get-sync-status",
      getAccessToken: accessTokenFrom(tab.auth, "bob"),
      signal: end.signal,
      onStatus: () => seen.push("status"),
      onError: ({ kind }) => seen.push(kind),
    });
    await auth.pass(0.3);
    auth.store("bob");
    await auth.pass(2);
    end.abort();
    assert.deepEqual(seen, ["unreachable", "status"]);
  },
);

withAuth("accessTokenFrom gives null for a refused token if another's is stored now", async (auth) => {
  const tab = await auth.openAs("ann");
  auth.store("bob");
  assert.equal(await auth.settle(accessTokenFrom(tab.auth, "ann")("ann 0")), null);
});

const CODES = "refresh_token_not_found refresh_token_already_used session_expired session_not_found";
for (const code of [...CODES.split(" "), "user_banned", "user_not_found", "validation_failed"]) {
  withAuth(`accessTokenFrom gives null for a refused token if Auth answers ${code}`, async (auth) => {
    const tab = await auth.openAs("ann");
    auth.fault = refuses(400, code);
    assert.equal(await auth.settle(accessTokenFrom(tab.auth, "ann")("ann 0")), null);
    // As Auth answers without a version of its API.
    auth.fault = () => Response.json({ code: 400, error_code: code }, { status: 400 });
    await auth.pass(HOUR);
    assert.equal(sessionStorage.length, 0, "keepSession lets the answer pass");
  });
}

withAuth("two tabs that refresh at once both get a token", async (auth) => {
  const tabs = [await auth.openAs("ann"), auth.open()];
  const calls = tabs.map((tab) => auth.settle(accessTokenFrom(tab.auth, "ann")("ann 0")));
  const [first, second] = await Promise.all(calls);
  assert.match(String(first), /^ann [12]$/);
  assert.equal(second, first);
});

const OUTAGES: Record<string, Answer> = {
  "Auth limits requests": refuses(429, "over_request_rate_limit"),
  "a captive portal answers with a page": () => new Response("<html>"),
  "a proxy answers with other JSON": () => Response.json({ ok: true }),
};
for (const [what, fault] of Object.entries(OUTAGES)) {
  withAuth(`a session outlives that ${what}`, async (auth) => {
    auth.fault = fault;
    const tab = await auth.openAs("ann", HOUR);
    const getAccessToken = accessTokenFrom(tab.auth, "ann");
    assert.equal(await auth.settle(getAccessToken("ann 0")), "AuthRetryableFetchError");
    auth.fault = undefined;
    assert.equal(await auth.settle(getAccessToken("ann 0")), "ann 1");
  });
}

withAuth("keepSession ends a refresh by its caller's signal, or after 15 s", async (auth) => {
  let sent: AbortSignal | null | undefined;
  const send = keepSession((_, init) => never(sent = init?.signal));
  const caller = new AbortController();
  caller.abort();
  assert.equal(await auth.settle(send(REFRESH, { signal: caller.signal }), 1), "Error");
  assert.equal(await auth.settle(send(REFRESH), 14), "nothing yet");
  assert.equal(await auth.settle(send(REFRESH), 15), "Error");
  assert.equal(sent?.aborted, true);
});

withAuth("keepSession changes nothing but a refresh", async () => {
  const init = {};
  const answer = new Response(null, { status: 429 });
  const send = keepSession((_, sent) => Promise.resolve(sent === init ? answer : new Response()));
  assert.equal(await send(REFRESH.replace("refresh_token", "password"), init), answer);
});

withAuth("forgetSession removes the user's session here, and no other", async (auth) => {
  const tab = await auth.openAs("ann");
  await auth.settle(forgetSession(tab.auth, "bob"));
  assert.deepEqual([sessionStorage.length, auth.requests], [1, []]);
  await auth.settle(forgetSession(tab.auth, "ann"));
  assert.equal(sessionStorage.length, 0);
  assert.match(String(auth.requests), /logout\?scope=local$/);
});

withAuth("forgetSession reports a sign-out if nothing is stored, but not in an outage", async (auth) => {
  const tab = await auth.openAs("ann", HOUR);
  const events: string[] = [];
  tab.auth.onAuthStateChange((event) => void events.push(event));
  auth.fault = refuses(503);
  await auth.settle(forgetSession(tab.auth, "ann"));
  assert.equal(sessionStorage.length, 1);
  sessionStorage.clear();
  await auth.settle(forgetSession(tab.auth, "ann"));
  assert.equal(events.at(-1), "SIGNED_OUT");
});

withAuth("watchUserId tells who is signed in, once a change, until its end", async (auth) => {
  const tab = auth.open();
  const told: (string | null)[] = [];
  const end = watchUserId(tab.auth, (userId) => told.push(userId));
  await auth.pass(1);
  for (const user of ["ann", "ann", "bob"]) await auth.signIn(tab, user);
  await auth.settle(tab.auth.signOut({ scope: "local" }));
  end();
  await auth.signIn(tab, "ann");
  assert.deepEqual(told, [null, "ann", "bob", null]);
});

withAuth("watchUserId tells nothing that comes after its end", async (auth) => {
  const tab = auth.open();
  const { getSession } = tab.auth;
  tab.auth.getSession = () => {
    end();
    return getSession.call(tab.auth);
  };
  const told: (string | null)[] = [];
  const end = watchUserId(tab.auth, (userId) => told.push(userId));
  await auth.pass(1);
  assert.deepEqual(told, []);
});

for (const [due, answer] of [["ann", undefined], [null, refuses(400, "session_expired")]] as const) {
  withAuth(`watchUserId tells nothing in an outage, and ${due} after it`, async (auth) => {
    auth.fault = refuses(503);
    const tab = await auth.openAs("ann", HOUR);
    const told: (string | null)[] = [];
    watchUserId(tab.auth, (userId) => told.push(userId));
    await auth.pass(300);
    assert.deepEqual(told, []);
    auth.fault = answer;
    await auth.pass(120);
    assert.deepEqual(told, [due]);
  });
}
