/** The client's access_token.ts with the real supabase-js, on a fake clock, against an Auth that rotates as the real one does. */

import assert from "node:assert/strict";
import type { Clock } from "@sinonjs/fake-timers";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom, forgetSession, keepSession } from "../examples/client/access_token.ts";
import { onFakeClock } from "./support/fake_clock.ts";
import { test } from "./support/helpers.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const START = Date.parse("2025-03-15T10:00:00Z");

type Answer = (signal?: AbortSignal | null) => Response | Promise<Response>;

/** How Auth answers with an error code, or a gateway before it without one. */
const headers = { "X-Supabase-Api-Version": "2024-01-01" };
const refuses = (status: number, code?: string): Answer => () =>
  Response.json({ code, message: "refused" }, { status, headers });

const OUTAGES: Record<string, Answer> = {
  "Auth answers 503": refuses(503),
  "Auth answers 500": refuses(500, "unexpected_failure"),
  "Auth limits requests (429)": refuses(429, "over_request_rate_limit"),
  "the gateway refuses the key (401)": refuses(401),
  "a firewall answers (403)": () => new Response("<html>", { status: 403 }),
  "a captive portal answers (200)": () => new Response("<html>"),
  "a proxy answers other JSON (200)": () => Response.json({ ok: true }),
  "there is no network": () => Promise.reject(new TypeError("no network")),
  "nothing is answered": (signal) =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
};

/** Auth, and one browser. Auth's sessions have a number, and so have the tokens of each. */
class World {
  /** Answers every request in the place of Auth. */
  outage: Answer | undefined;
  /** How many refreshes Auth has answered. */
  refreshes = 0;
  /** How far the browser's clock is ahead of Auth's, and how long Auth takes, in milliseconds. */
  ahead = 0;
  latency = 0;
  #sessions: { user: string; issued: number; rotatedAt: number; over: boolean }[] = [];
  #tabs: SupabaseClient[] = [];

  constructor(readonly clock: Clock) {}

  /** The session that a token is of. */
  #sessionOf = (token: string | null | undefined) => this.#sessions[Number(token?.split(" ")[1])];
  isGood = (accessToken: string | null | undefined) => this.#sessionOf(accessToken)?.over === false;
  end(accessToken: string | undefined): void {
    const session = this.#sessionOf(accessToken);
    if (session) session.over = true;
  }

  /** What Auth answers to a sign-in. */
  begin(user: string) {
    return this.#issue(this.#sessions.push({ user, issued: 0, rotatedAt: 0, over: false }) - 1);
  }

  /** A new access token of a session, with its newest refresh token. */
  #issue(number: number) {
    const { user, issued } = this.#sessions[number] ?? {};
    return {
      access_token: `access ${number} ${issued}`,
      refresh_token: `refresh ${number} ${issued}`,
      expires_in: 3_600,
      expires_at: Math.floor((Date.now() - this.ahead + HOUR) / SECOND),
      user: { id: user },
    };
  }

  /** A refresh: an old token is good for 10 s more, the last but one for ever; any other ends the session. */
  #refresh(token: string): Response | Promise<Response> {
    this.refreshes++;
    const session = this.#sessionOf(token);
    if (!session || session.over) return refuses(400, "refresh_token_not_found")();
    const uses = session.issued - Number(token.split(" ")[2]);
    if (uses > 1 && Date.now() - session.rotatedAt > 10 * SECOND) {
      session.over = true;
      return refuses(400, "refresh_token_already_used")();
    }
    if (uses === 0) {
      session.issued++;
      session.rotatedAt = Date.now();
    }
    return Response.json(this.#issue(this.#sessions.indexOf(session)));
  }

  #send: typeof fetch = async (input, init) => {
    if (this.outage) return await this.outage(init?.signal);
    await new Promise((resolve) => setTimeout(resolve, this.latency));
    init?.signal?.throwIfAborted();
    const { pathname, searchParams } = new URL(String(input));
    if (pathname === "/auth/v1/logout") {
      const own = this.#sessionOf(new Headers(init?.headers).get("Authorization")?.replace("Bearer ", ""));
      const isLocal = searchParams.get("scope") === "local";
      for (const each of this.#sessions) each.over ||= isLocal ? each === own : each.user === own?.user;
      return new Response(null, { status: 204 });
    }
    const { refresh_token, email }: Record<string, string> = JSON.parse(String(init?.body));
    const isRefresh = searchParams.get("grant_type") === "refresh_token";
    return isRefresh ? await this.#refresh(refresh_token ?? "") : Response.json(this.begin(email ?? ""));
  };

  /** Opens a tab; all share one storage. */
  open(): SupabaseClient {
    const tab = createClient("http://project.test", "key", {
      auth: { storageKey: "session", storage: sessionStorage },
      global: { fetch: keepSession(this.#send) },
    });
    this.#tabs.push(tab);
    return tab;
  }

  /** Opens a tab in which this user has signed in so many seconds ago. */
  async openAs(user: string, secondsAgo = 0): Promise<SupabaseClient> {
    sessionStorage.setItem("session", JSON.stringify(this.begin(user)));
    await this.pass(secondsAgo);
    return this.open();
  }

  async pass(seconds: number): Promise<void> {
    await this.clock.tickAsync(seconds * SECOND);
  }

  /** What a call gives within ten minutes, or the name of what it throws, and how many seconds it took. */
  async settle<Result>(call: Promise<Result>): Promise<{ is: Result | string; took: number }> {
    const begin = Date.now();
    let settled: { is: Result | string; took: number } | undefined;
    call.catch((error: Error) => error.name).then((is) =>
      settled = { is, took: (Date.now() - begin) / SECOND }
    );
    for (let waited = 0; !settled && waited < 600; waited++) await this.pass(1);
    return settled ?? { is: "nothing", took: Infinity };
  }

  /** What `accessTokenFrom` gives. */
  async token(tab: SupabaseClient, user: string, refresh = false): Promise<string | null> {
    return (await this.settle(accessTokenFrom(tab.auth, user)({ refresh }))).is;
  }

  async close(): Promise<void> {
    for (const { auth } of this.#tabs.splice(0)) await auth.stopAutoRefresh();
    sessionStorage.clear();
  }
}

const inWorld = (sentence: string, check: (world: World) => Promise<void>) =>
  test(sentence, () =>
    onFakeClock(START, async (clock) => {
      const world = new World(clock);
      await check(world).finally(() => world.close());
    }));

inWorld("accessTokenFrom gives the stored token, and a fresh one if refresh is true", async (world) => {
  const tab = await world.openAs("ann");
  assert.equal(await world.token(tab, "ann"), "access 0 0");
  assert.equal(world.refreshes, 0);
  assert.equal(await world.token(tab, "ann", true), "access 0 1");
});

inWorld("accessTokenFrom gives null if nobody is signed in, or has signed out", async (world) => {
  for (const tab of [world.open(), await world.openAs("ann")]) {
    await world.settle(tab.auth.signOut());
    assert.equal(await world.token(tab, "ann"), null);
    assert.equal(await world.token(tab, "ann", true), null);
  }
  assert.equal(world.refreshes, 0);
});

inWorld(
  "a user's watch gets null once another signs in, and forgetSession keeps that session",
  async (world) => {
    const tab = await world.openAs("ann");
    await world.settle(world.open().auth.signInWithPassword({ email: "bob", password: "password" }));
    assert.equal(await world.token(tab, "ann"), null);
    assert.equal(await world.token(tab, "ann", true), null);
    await world.settle(forgetSession(tab.auth, "ann"));
    assert.match(String(await world.token(tab, "bob")), /^access 1 /);
  },
);

inWorld(
  "forgetSession removes a session that was ended elsewhere, and ends none on another device",
  async (world) => {
    const tab = await world.openAs("ann");
    const { access_token } = world.begin("ann");
    world.end("access 0 0");
    // supabase-js keeps it, since its access token has not expired.
    assert.equal(await world.token(tab, "ann", true), "access 0 0");
    await world.settle(forgetSession(tab.auth, "ann"));
    assert.equal(await world.token(tab, "ann"), null);
    assert(world.isGood(access_token));
  },
);

inWorld(
  "forgetSession reports a sign-out also if the storage was emptied, and not in an outage",
  async (world) => {
    const tab = await world.openAs("ann", 3_600);
    const events: string[] = [];
    tab.auth.onAuthStateChange((event) => void events.push(event));
    world.outage = refuses(503);
    await world.settle(forgetSession(tab.auth, "ann"));
    assert.equal(sessionStorage.length, 1);
    sessionStorage.clear();
    await world.settle(forgetSession(tab.auth, "ann"));
    assert.deepEqual(events.slice(-1), ["SIGNED_OUT"]);
  },
);

inWorld("accessTokenFrom gives a token that Auth needs 14 s for", async (world) => {
  const tab = await world.openAs("ann", 3_600);
  world.latency = 14 * SECOND;
  assert.equal(await world.token(tab, "ann"), "access 0 1");
});

for (
  const code of [
    "refresh_token_not_found",
    "refresh_token_already_used",
    "session_expired",
    "session_not_found",
    "user_banned",
    "user_not_found",
    "validation_failed",
  ]
) {
  inWorld(`accessTokenFrom gives null if the token has expired and Auth answers ${code}`, async (world) => {
    const tab = await world.openAs("ann", 3_600);
    world.outage = refuses(400, code);
    assert.equal(await world.token(tab, "ann"), null);
    assert.equal(sessionStorage.length, 0);
  });
}

inWorld("two tabs that refresh one session at once both get a token", async (world) => {
  const tabs = [await world.openAs("ann"), world.open()];
  world.latency = 100;
  const tokens = await Promise.all(tabs.map((tab) => world.token(tab, "ann", true)));
  assert.deepEqual([world.refreshes, ...tokens], [2, "access 0 1", "access 0 1"]);
});

for (const [what, outage] of Object.entries(OUTAGES)) {
  inWorld(`nobody is signed out while ${what}, and a token is there 75 s later`, async (world) => {
    const tab = await world.openAs("ann");
    await world.pass(3_600 - 95);
    world.outage = outage;
    assert.equal(await world.token(tab, "ann"), "access 0 0", "it has not expired");
    await world.pass(95);
    for (let round = 0; round < 50; round++) {
      assert.equal(await world.token(tab, "ann", round % 2 === 0), "AuthRetryableFetchError");
      await world.pass(7);
    }
    world.outage = undefined;
    await world.pass(75);
    assert.match(String(await world.token(tab, "ann")), /^access 0 /);
  });

  inWorld(`getSession and signOut take 45 s at most while ${what}`, async (world) => {
    const early = await world.openAs("ann", 3_600);
    world.outage = outage;
    for (let round = 0; round < 20; round++) {
      const calls = [early, world.open()].flatMap(({ auth }) => [auth.getSession(), auth.signOut()]);
      const settled = await Promise.all(calls.map((call) => world.settle<unknown>(call)));
      const longest = Math.max(...settled.map(({ took }) => took));
      assert(longest <= 45, `${longest} s`);
      await world.pass(7 * round % 60);
    }
  });

  inWorld(`at most 8 of 60 sign-outs while ${what} end the session of who signs in then`, async (world) => {
    let lost = 0;
    for (let seconds = 10; seconds <= 120; seconds += 10) {
      for (const later of [1, 2, 5, 10, 20]) {
        const tab = await world.openAs("ann", 3_600);
        world.outage = outage;
        void tab.auth.signOut();
        await world.pass(seconds);
        world.outage = undefined;
        await world.pass(later);
        await world.settle(tab.auth.signInWithPassword({ email: "bob", password: "password" }));
        await world.pass(180);
        if (!world.isGood(await world.token(tab, "bob"))) lost++;
        await world.close();
      }
    }
    assert(lost <= 8, `${lost}`);
  });
}

inWorld("three tabs whose clock is an hour fast always get a good token, or none for now", async (world) => {
  world.ahead = HOUR;
  for (let run = 1; run <= 6; run++) {
    world.latency = 50 * run;
    const tabs = [await world.openAs("ann"), world.open(), world.open()];
    let good = 0;
    for (let round = 0; round < 200; round++) {
      const tokens = await Promise.all(tabs.map((tab) => world.token(tab, "ann")));
      for (const token of tokens) {
        assert(world.isGood(token) || token === "AuthRefreshDiscardedError", `${token}`);
      }
      good += tokens.filter(world.isGood).length;
      await world.pass(round % 20);
    }
    assert(good > 100, `${good}`);
    await world.close();
  }
});

test("keepSession passes every request but a refresh untouched", async () => {
  const [init, answer] = [{}, new Response(null, { status: 429 })];
  const send = keepSession((_, sent) => Promise.resolve(sent === init ? answer : new Response()));
  assert.equal(await send("https://project.test/auth/v1/token?grant_type=password", init), answer);
});
