/** The client's access_token.ts with the real supabase-js, on a fake clock, against an Auth that is modelled. */

import assert from "node:assert/strict";
import type { Clock } from "@sinonjs/fake-timers";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom, forgetSession, keepSession, watchUserId } from "../examples/client/access_token.ts";
import { watchSyncStatus } from "../examples/client/watch_sync_status.ts";
import { never, testOnFakeClock } from "./support/fake_clock.ts";

const HOUR = 3_600;
const REFRESH = "https://project.test/auth/v1/token?grant_type=refresh_token";

type Answer = (signal?: AbortSignal | null) => Response | Promise<Response>;
const refuses = (status: number, code?: string): Answer => () =>
  Response.json({ code }, { status, headers: { "X-Supabase-Api-Version": "2024-01-01" } });
const isDown = refuses(503);

/** Auth, the function, and one browser. Tokens have a number. Time is in seconds. */
class World {
  /** Answers in the place of Auth. */
  outage: Answer | undefined;
  /** What Auth was asked for. */
  refreshes = 0;
  logouts: string[] = [];
  /** How far the browser's clock is ahead. */
  ahead = 0;
  /** What the watch has said. */
  reports: string[] = [];
  #tokens: { user: string; expiresAt: number }[] = [];
  /** Whose sessions are over. */
  over = new Set<string>();

  constructor(readonly clock: Clock) {}

  #now = () => Math.floor(Date.now() / 1_000 - this.ahead);
  #find = (token = "") => this.#tokens[Number(token.split(" ").at(-1))];

  /** What Auth answers to a sign-in or a refresh. */
  issue(user: string) {
    const expires_at = this.#now() + HOUR;
    const number = this.#tokens.push({ user, expiresAt: expires_at }) - 1;
    const [access_token, refresh_token] = [`access ${number}`, `refresh ${number}`];
    return { access_token, refresh_token, expires_in: HOUR, expires_at, user: { id: user } };
  }
  store = (session: unknown) => sessionStorage.setItem("session", JSON.stringify(session));

  #auth: typeof fetch = async (input, init) => {
    if (this.outage) return await this.outage(init?.signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const url = String(input);
    if (url.includes("/logout")) return Response.json(this.logouts.push(url));
    const { refresh_token, email } = JSON.parse(String(init?.body));
    if (email) return Response.json(this.issue(email));
    this.refreshes++;
    const { user = "" } = this.#find(refresh_token) ?? {};
    return this.over.has(user) ? await refuses(400, "session_expired")() : Response.json(this.issue(user));
  };

  /** The function, to which a job has always just begun. */
  #function = (_: unknown, init: { headers: { Authorization: string } }) => {
    const started_at = new Date(this.#now() * 1_000);
    const { user = "", expiresAt = 0 } = this.#find(init.headers.Authorization) ?? {};
    const isGood = expiresAt > this.#now() && !this.over.has(user);
    const body = isGood
      ? { active: true, job: { id: "1", started_at } }
      : { error: "…", code: "unauthorized" };
    const headers = { Date: started_at.toUTCString() };
    return Promise.resolve(Response.json(body, { status: isGood ? 200 : 401, headers }));
  };

  /** Opens a tab; all share one storage. */
  open(): SupabaseClient {
    const auth = { storageKey: "session", storage: sessionStorage };
    return createClient("http://project.test", "key", { auth, global: { fetch: keepSession(this.#auth) } });
  }

  /** Opens a tab in which this user has signed in so many seconds ago. */
  async openAs(user: string, secondsAgo = 0): Promise<SupabaseClient> {
    this.store(this.issue(user));
    await this.pass(secondsAgo);
    return this.open();
  }

  pass = (seconds: number) => this.clock.tickAsync(seconds * 1_000);

  /** What a call gives within ten minutes, or the name of what it throws. */
  async settle<Result>(call: Promise<Result>): Promise<Result | string> {
    let settled: { is: Result | string } | undefined;
    call.catch((error: Error) => error.name).then((is) => settled = { is });
    for (let waited = 0; !settled && waited < 600; waited++) await this.pass(1);
    return settled ? settled.is : "nothing";
  }
  signIn = (tab: SupabaseClient, email: string) =>
    this.settle(tab.auth.signInWithPassword({ email, password: "password" }));

  watch(tab: SupabaseClient, user: string): void {
    Object.assign(globalThis, { fetch: this.#function });
    watchSyncStatus({
      url: "http://project.test/functions/v1/get-sync-status",
      getAccessToken: accessTokenFrom(tab.auth, user),
      signal: new AbortController().signal,
      onStatus: () => this.reports.push("status"),
      onError: ({ kind }) => this.reports.push(kind),
    });
  }
}

const inWorld = (sentence: string, check: (world: World) => Promise<void>) =>
  testOnFakeClock(sentence, Date.parse("2025-03-15T10:00:00Z"), async (clock) => {
    sessionStorage.clear();
    await check(new World(clock));
  });

inWorld("accessTokenFrom gives what is stored, refreshed only if that was refused", async (world) => {
  const getAccessToken = accessTokenFrom((await world.openAs("ann")).auth, "ann");
  for (const [refused, due] of [[undefined, 0], ["access 0", 1], ["access 0", 1], ["access 1", 2]] as const) {
    assert.equal(await world.settle(getAccessToken(refused)), `access ${due}`);
  }
  assert.equal(world.refreshes, 2);
});

inWorld("accessTokenFrom gives null if nothing is stored twice", async (world) => {
  const getAccessToken = accessTokenFrom(world.open().auth, "ann");
  assert.equal(await world.settle(getAccessToken()), "Error");
  assert.equal(await world.settle(getAccessToken()), null);
});

for (const late of [["ann"], [""], ["ann", ""], ["", "ann"]]) {
  inWorld(
    `a watch waits for a storage that is late, with the sessions ${JSON.stringify(late)}`,
    async (world) => {
      const tab = world.open();
      for (const [look, user] of [...late, "bob"].entries()) {
        sessionStorage.clear();
        if (user) world.store(world.issue(user));
        if (look === 0) world.watch(tab, "bob");
        await world.pass(look ? 2 : 0.3);
      }
      assert.deepEqual(world.reports, [...late.map(() => "unreachable"), "status"]);
    },
  );
}

inWorld("a watch ends once its token is refused and another's session is stored", async (world) => {
  const tab = await world.openAs("ann");
  world.watch(tab, "ann");
  await world.signIn(world.open(), "bob");
  await world.pass(3);
  world.over.add("ann");
  await world.pass(3);
  assert.deepEqual(world.reports.slice(-2), ["status", "signed_out"]);
  await world.settle(forgetSession(tab.auth, "ann"));
  assert.deepEqual([sessionStorage.length, world.logouts], [1, []]);
});

inWorld("a watch ends if its session was ended elsewhere, and forgetSession removes it", async (world) => {
  const tab = await world.openAs("ann");
  world.over.add("ann");
  world.watch(tab, "ann");
  await world.pass(3);
  assert.deepEqual([world.reports, sessionStorage.length], [["signed_out"], 1]);
  await world.settle(forgetSession(tab.auth, "ann"));
  assert.equal(sessionStorage.length, 0);
  assert.match(String(world.logouts), /scope=local$/);
});

inWorld("forgetSession reports a sign-out if nothing is stored, and not in an outage", async (world) => {
  const { auth } = await world.openAs("ann", HOUR);
  const events: string[] = [];
  auth.onAuthStateChange((event) => void events.push(event));
  world.outage = isDown;
  await world.settle(forgetSession(auth, "ann"));
  assert.equal(sessionStorage.length, 1);
  sessionStorage.clear();
  await world.settle(forgetSession(auth, "ann"));
  assert.equal(events.at(-1), "SIGNED_OUT");
});

const CODES = "refresh_token_not_found refresh_token_already_used session_expired session_not_found";
for (const code of [...CODES.split(" "), "user_banned", "user_not_found", "validation_failed"]) {
  inWorld(`accessTokenFrom gives null for a refused token if Auth answers ${code}`, async (world) => {
    const { auth } = await world.openAs("ann");
    world.outage = refuses(400, code);
    assert.equal(await world.settle(accessTokenFrom(auth, "ann")("access 0")), null);
    // As Auth answers without a version of its API.
    world.outage = () => Response.json({ code: 400, error_code: code }, { status: 400 });
    await world.pass(HOUR + 60);
    assert.equal(sessionStorage.length, 0, "keepSession lets the answer pass");
  });
}

inWorld("two tabs that refresh one session at once both get a token", async (world) => {
  const tabs = [await world.openAs("ann"), world.open()];
  const calls = tabs.map(({ auth }) => world.settle(accessTokenFrom(auth, "ann")("access 0")));
  const [first, second] = await Promise.all(calls);
  assert.deepEqual([world.refreshes, second], [2, first]);
  assert.match(String(first), /^access [12]$/);
});

for (
  const [what, outage] of Object.entries<Answer>({
    "Auth limits requests (429)": refuses(429, "over_request_rate_limit"),
    "the gateway refuses the key (401)": refuses(401),
    "a captive portal answers (200)": () => new Response("<html>"),
    "a proxy answers other JSON (200)": () => Response.json({ ok: true }),
    "nothing is answered": never,
  })
) {
  inWorld(`nobody is signed out while ${what}, and a token is there 75 s later`, async (world) => {
    world.outage = outage;
    const { auth } = await world.openAs("ann", HOUR);
    const getAccessToken = accessTokenFrom(auth, "ann");
    for (let round = 0; round < 50; round++) {
      assert.equal(await world.settle(getAccessToken("access 0")), "AuthRetryableFetchError");
      await world.pass(7);
    }
    world.outage = undefined;
    await world.pass(75);
    assert.equal(await world.settle(getAccessToken("access 0")), "access 1");
  });
}

for (const minutes of [60, 58.6, -24 * 60]) {
  inWorld(`a clock ${minutes} minutes fast makes a watch 5 refreshes at most`, async (world) => {
    world.ahead = minutes * 60;
    const tab = await world.openAs("ann");
    await world.pass(1.2 * HOUR);
    const alone = world.refreshes;
    world.watch(tab, "ann");
    await world.pass(1.2 * HOUR);
    assert(world.refreshes <= 2 * alone + 5, `${world.refreshes}, and ${alone} of supabase-js alone`);
    assert.deepEqual([...new Set(world.reports)], ["status"]);
  });
}

inWorld("watchUserId tells who is signed in, and each change once", async (world) => {
  const tab = world.open();
  const told: (string | null)[] = [];
  watchUserId(tab.auth, (userId) => told.push(userId));
  await world.pass(1);
  for (const user of ["ann", "ann", "bob"]) await world.signIn(tab, user);
  await world.settle(tab.auth.signOut());
  assert.deepEqual(told, [null, "ann", "bob", null]);
});

inWorld("watchUserId tells nothing after its end", async (world) => {
  const tab = world.open();
  const getSession = tab.auth.getSession.bind(tab.auth);
  tab.auth.getSession = () => {
    stop();
    world.store(world.issue("ann"));
    return getSession();
  };
  const told: (string | null)[] = [];
  const stop = watchUserId(tab.auth, (userId) => told.push(userId));
  await world.pass(1);
  await world.signIn(tab, "bob");
  assert.deepEqual(told, []);
});

for (const due of ["ann", null]) {
  inWorld(`watchUserId tells nothing in an outage, and ${due} after it`, async (world) => {
    world.outage = isDown;
    const { auth } = await world.openAs("ann", HOUR);
    const told: (string | null)[] = [];
    watchUserId(auth, (userId) => told.push(userId));
    await world.pass(300);
    assert.deepEqual(told, []);
    if (!due) world.over.add("ann");
    world.outage = undefined;
    await world.pass(120);
    assert.deepEqual(told, [due]);
  });
}

inWorld("keepSession ends a refresh with its caller's signal, or after 15 s", async (world) => {
  let sent: AbortSignal | null | undefined;
  const send = keepSession((_, init) => never(sent = init?.signal));
  for (const [isEarly, seconds] of [[true, 0.1], [false, 1], [false, 15]] as const) {
    const controller = new AbortController();
    if (isEarly) controller.abort();
    let isOver = false;
    send(REFRESH, { signal: controller.signal }).catch(() => isOver = true);
    await world.pass(seconds - 0.1);
    assert.equal(isOver, isEarly);
    if (seconds === 1) controller.abort();
    await world.pass(0.1);
    assert.deepEqual([isOver, sent?.aborted], [true, true]);
  }
});

inWorld("keepSession passes every request but a refresh untouched", async () => {
  const [init, answer] = [{}, new Response(null, { status: 429 })];
  const send = keepSession((_, sent) => Promise.resolve(sent === init ? answer : new Response()));
  assert.equal(await send(REFRESH.replace("refresh_token", "password"), init), answer);
});
