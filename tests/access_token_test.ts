/** The client's access_token.ts with the real supabase-js, on a fake clock, against an Auth that rotates as the real one does. */

import assert from "node:assert/strict";
import type { Clock } from "@sinonjs/fake-timers";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom, forgetSession, keepSession } from "../examples/client/access_token.ts";
import { watchSyncStatus } from "../examples/client/watch_sync_status.ts";
import { onFakeClock } from "./support/fake_clock.ts";
import { test } from "./support/helpers.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const START = Date.parse("2025-03-15T10:00:00Z");

type Answer = (signal?: AbortSignal | null) => Response | Promise<Response>;

/** How Auth answers with an error code, or a gateway before it without one. */
const refuses = (status: number, code?: string): Answer => () =>
  Response.json({ code, message: "refused" }, {
    status,
    headers: { "X-Supabase-Api-Version": "2024-01-01" },
  });

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

/** One browser, and Auth. Auth's sessions have a number, and so have the tokens of each. */
class World {
  /** What the tabs share. */
  stored = new Map<string, string>();
  /** Answers every request to Auth in the place of Auth. */
  outage: Answer | undefined;
  /** The refresh tokens that arrived. */
  refreshes: string[] = [];
  /** How far the browser's clock is ahead of Auth's. */
  ahead = 0;
  latency = 0;
  #sessions: { user: string; issued: number; rotatedAt: number; revoked: boolean }[] = [];
  #tabs: SupabaseClient[] = [];

  constructor(public clock: Clock) {}

  /** What Auth answers to a sign-in; puts nothing into the browser. */
  begin(user: string) {
    this.#sessions.push({ user, issued: 0, rotatedAt: 0, revoked: false });
    return this.#issue(this.#sessions.length - 1);
  }

  /** A new access token of a session, with the newest refresh token. */
  #issue(number: number) {
    const session = this.#sessions[number];
    const now = Math.floor((Date.now() - this.ahead) / SECOND);
    return {
      access_token: `access ${number} ${session?.issued}`,
      refresh_token: `refresh ${number} ${session?.issued}`,
      token_type: "bearer",
      expires_in: 3_600,
      expires_at: now + 3_600,
      user: { id: session?.user, email: session?.user },
    };
  }

  /** A refresh: the token before the last one, and any for 10 s, is taken too; an older one ends the session. */
  #rotate(token: string): Response | Promise<Response> {
    this.refreshes.push(token);
    const [number = -1, nth = -1] = token.split(" ").slice(1).map(Number);
    const session = this.#sessions[number];
    if (!session || session.revoked) return refuses(400, "refresh_token_not_found")();
    if (nth === session.issued) {
      session.issued++;
      session.rotatedAt = Date.now();
    } else if (nth < session.issued - 1 && Date.now() - session.rotatedAt > 10 * SECOND) {
      session.revoked = true;
      return refuses(400, "refresh_token_already_used")();
    }
    return Response.json(this.#issue(number));
  }

  isGood(accessToken: string | undefined): boolean {
    const session = this.#sessions[Number(accessToken?.split(" ")[1])];
    return session !== undefined && !session.revoked;
  }

  /** Ends a session elsewhere. */
  revoke(accessToken: string): void {
    const session = this.#sessions[Number(accessToken.split(" ")[1])];
    if (session) session.revoked = true;
  }

  #send: typeof fetch = async (input, init) => {
    if (this.outage) return await this.outage(init?.signal);
    await new Promise((resolve) => setTimeout(resolve, this.latency));
    const { pathname, searchParams } = new URL(String(input));
    if (pathname === "/auth/v1/logout") {
      this.revoke(new Headers(init?.headers).get("Authorization")?.replace("Bearer ", "") ?? "");
      return new Response(null, { status: 204 });
    }
    const body: { refresh_token: string; email: string } = JSON.parse(String(init?.body));
    if (searchParams.get("grant_type") === "refresh_token") return await this.#rotate(body.refresh_token);
    return Response.json(this.begin(body.email));
  };

  /** Opens a tab. */
  open(): SupabaseClient {
    const tab = createClient("http://project.test", "key", {
      auth: {
        storageKey: "session",
        storage: {
          getItem: (key) => this.stored.get(key) ?? null,
          setItem: (key, value) => void this.stored.set(key, value),
          removeItem: (key) => void this.stored.delete(key),
        },
      },
      global: { fetch: keepSession(this.#send) },
    });
    this.#tabs.push(tab);
    return tab;
  }

  /** Opens a tab in which this user has signed in, and lets so much time pass. */
  async openAs(user: string, age = 0): Promise<SupabaseClient> {
    this.stored.set("session", JSON.stringify(this.begin(user)));
    await this.clock.tickAsync(age);
    return this.open();
  }

  /** What a call gives, and how long it took; what it throws is given by its name. It has ten minutes. */
  async settle<Result>(call: Promise<Result>): Promise<{ is: Result | string; ms: number }> {
    const begin = Date.now();
    let settled: { is: Result | string; ms: number } | undefined;
    call.then((is) => ({ is }), (error: Error) => ({ is: error.name }))
      .then(({ is }) => settled = { is, ms: Date.now() - begin });
    for (let waited = 0; !settled && waited < 600; waited++) await this.clock.tickAsync(SECOND);
    return settled ?? { is: "nothing", ms: Infinity };
  }

  async close(): Promise<void> {
    for (const { auth } of this.#tabs) await auth.stopAutoRefresh();
    this.#tabs = [];
  }
}

const world = (sentence: string, check: (world: World) => Promise<void>) =>
  test(sentence, () =>
    onFakeClock(START, async (clock) => {
      const world = new World(clock);
      await check(world).finally(() => world.close());
    }));

const tokenOf = (tab: SupabaseClient, user: string, refresh = false) =>
  accessTokenFrom(tab.auth, user)({ refresh });

world(
  "accessTokenFrom gives the session's token without a request, and a fresh one if refresh is true",
  async (world) => {
    const tab = await world.openAs("ann");
    assert.equal((await world.settle(tokenOf(tab, "ann"))).is, "access 0 0");
    assert.deepEqual(world.refreshes, []);
    assert.equal((await world.settle(tokenOf(tab, "ann", true))).is, "access 0 1");
  },
);

world("accessTokenFrom gives null if nobody is signed in, or has signed out", async (world) => {
  const tab = world.open();
  for (const refresh of [false, true]) {
    assert.equal((await world.settle(tokenOf(tab, "ann", refresh))).is, null);
  }
  const other = await world.openAs("ann");
  await world.settle(other.auth.signOut());
  for (const refresh of [false, true]) {
    assert.equal((await world.settle(tokenOf(other, "ann", refresh))).is, null);
  }
  assert.deepEqual(world.refreshes, []);
});

world(
  "accessTokenFrom gives null once another user has signed in, and forgetSession keeps that session",
  async (world) => {
    const tab = await world.openAs("ann");
    await world.settle(world.open().auth.signInWithPassword({ email: "bob", password: "password" }));
    for (const refresh of [false, true]) {
      assert.equal(
        (await world.settle(tokenOf(tab, "ann", refresh))).is,
        null,
      );
    }
    await world.settle(forgetSession(tab.auth, "ann"));
    assert.match(String((await world.settle(tokenOf(tab, "bob"))).is), /^access 1 /);
  },
);

world("forgetSession ends a session that was ended elsewhere and is still stored", async (world) => {
  const tab = await world.openAs("ann");
  world.revoke("access 0 0");
  // Its access token has not expired: supabase-js keeps it although Auth refuses the refresh.
  assert.equal((await world.settle(tokenOf(tab, "ann", true))).is, "access 0 0");
  await world.settle(forgetSession(tab.auth, "ann"));
  assert.equal((await world.settle(tokenOf(tab, "ann"))).is, null);
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
  world(`accessTokenFrom gives null if the token has expired and Auth answers ${code}`, async (world) => {
    const tab = await world.openAs("ann", HOUR);
    world.outage = refuses(400, code);
    assert.equal((await world.settle(tokenOf(tab, "ann"))).is, null);
    assert.equal((await world.settle(tokenOf(tab, "ann", true))).is, null);
    assert.equal(world.stored.size, 0);
  });
}

world("two tabs that refresh one session at once both get a token", async (world) => {
  const tabs = [await world.openAs("ann"), world.open()];
  world.latency = 100;
  const tokens = await Promise.all(tabs.map((tab) => world.settle(tokenOf(tab, "ann", true))));
  assert.equal(world.refreshes.length, 2);
  for (const { is } of tokens) assert.equal(is, "access 0 1");
});

for (const [what, outage] of Object.entries(OUTAGES)) {
  world(
    `while ${what} nobody is signed out and nothing waits longer than 45 s; a minute and a quarter later there is a token`,
    async (world) => {
      const tab = await world.openAs("ann");
      assert.equal((await world.settle(tokenOf(tab, "ann"))).is, "access 0 0");
      await world.clock.tickAsync(HOUR - 95 * SECOND);
      world.outage = outage;
      while (Date.now() < START + HOUR - 30 * SECOND) {
        assert.equal((await world.settle(tokenOf(tab, "ann"))).is, "access 0 0", "it has not expired");
        await world.clock.tickAsync(5 * SECOND);
      }
      await world.clock.tickAsync(35 * SECOND);
      let longest = 0;
      while (Date.now() < START + HOUR + 600 * SECOND) {
        const opened = world.open();
        for (
          const call of [
            () => tokenOf(tab, "ann"),
            () => tokenOf(tab, "ann", true),
            () => tokenOf(opened, "ann"),
          ]
        ) {
          const { is, ms } = await world.settle(call());
          assert.equal(is, "AuthRetryableFetchError");
          longest = Math.max(longest, ms);
        }
        const calls = [opened.auth.getSession(), opened.auth.signOut(), tab.auth.signOut()];
        const settled = await Promise.all(calls.map((call) => world.settle<unknown>(call)));
        longest = Math.max(longest, ...settled.map(({ ms }) => ms));
        await opened.auth.stopAutoRefresh();
        await world.clock.tickAsync(7 * SECOND);
      }
      assert(longest <= 45 * SECOND, `${longest} ms`);
      world.outage = undefined;
      await world.clock.tickAsync(75 * SECOND);
      assert.match(String((await world.settle(tokenOf(tab, "ann"))).is), /^access 0 /);
    },
  );

  world(
    `of 60 sign-outs while ${what}, each followed by another user's sign-in, at most 8 end that user's session`,
    async (world) => {
      let lost = 0;
      for (let seconds = 10; seconds <= 120; seconds += 10) {
        for (const later of [1, 2, 5, 10, 20]) {
          const tab = await world.openAs("ann", HOUR);
          world.outage = outage;
          void tab.auth.signOut();
          await world.clock.tickAsync(seconds * SECOND);
          world.outage = undefined;
          await world.clock.tickAsync(later * SECOND);
          await world.settle(tab.auth.signInWithPassword({ email: "bob", password: "password" }));
          await world.clock.tickAsync(180 * SECOND);
          const { is } = await world.settle(tokenOf(tab, "bob"));
          if (!world.isGood(is ?? "")) lost++;
          await world.close();
          world.stored.clear();
        }
      }
      assert(lost <= 8, `${lost}`);
    },
  );
}

world(
  "three tabs whose clock is an hour fast are not reported as signed out, and show the status",
  async (world) => {
    world.ahead = HOUR;
    const { fetch } = globalThis;
    const end = new AbortController();
    const seen: string[] = [];
    try {
      globalThis.fetch = (_, init) =>
        Promise.resolve(
          world.isGood(new Headers(init?.headers).get("Authorization")?.replace("Bearer ", ""))
            ? Response.json({ active: false, recent_job: null })
            : Response.json({ error: "refused", code: "unauthorized" }, { status: 401 }),
        );
      await world.openAs("ann");
      for (let run = 0; run < 6; run++) {
        world.latency = 50 + 50 * run;
        const tabs = [0, 1, 2].map(() => world.open());
        const statuses = tabs.map(({ auth }) => {
          const count = { statuses: 0 };
          watchSyncStatus({
            url: "http://project.test/functions/v1/get-sync-status",
            getAccessToken: accessTokenFrom(auth, "ann"),
            signal: end.signal,
            onStatus: () => count.statuses++,
            onError: ({ kind }) => seen.push(kind),
          });
          return count;
        });
        await world.clock.tickAsync(600 * SECOND);
        for (const { statuses: count } of statuses) assert(count > 5, `${count}`);
        await world.close();
      }
      assert(!seen.includes("signed_out"));
    } finally {
      end.abort();
      globalThis.fetch = fetch;
    }
  },
);

test("keepSession passes every request but a refresh untouched", async () => {
  const answer = new Response(null, { status: 429 });
  const init = {};
  const sent: unknown[] = [];
  const send = keepSession((...request) => {
    sent.push(...request);
    return Promise.resolve(answer);
  });
  const url = "https://project.test/auth/v1/token?grant_type=password";
  assert.equal(await send(url, init), answer);
  assert.deepEqual(sent, [url, init]);
  assert.equal(sent[1], init);
});
