/** accessTokenFrom on the real supabase-js, whose requests a fake Auth answers, on fake time. */

import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom, keepSession } from "../examples/client/access_token.ts";
import { USER } from "../testing/fake_upstream.ts";
import { test } from "../testing/helpers.ts";

const START = Date.parse("2025-03-15T10:00:00Z");
const HOUR_MS = 3_600_000;

type Answer = (refreshToken: string) => Response | Promise<Response>;

/** A session as Auth issues it, for an hour, each with another number. */
function session(number: number) {
  return {
    access_token: `access ${number}`,
    refresh_token: `refresh ${number}`,
    token_type: "bearer",
    expires_in: HOUR_MS / 1_000,
    expires_at: Math.floor((Date.now() + HOUR_MS) / 1_000),
    user: { id: USER, aud: "authenticated", app_metadata: {}, user_metadata: {}, created_at: "2025-01-01" },
  };
}

const refuses = (status: number, code?: string): Answer => () =>
  Response.json({ code, message: `Auth says ${code}` }, {
    status,
    headers: { "X-Supabase-Api-Version": "2024-01-01", ...(code ? { "X-Sb-Error-Code": code } : {}) },
  });

interface Browser {
  /** How Auth answers a refresh; first by rotating the token. */
  auth: { answer: Answer; refreshes: string[] };
  /** What the tabs share. */
  stored: Map<string, string>;
  /** Opens a tab of its own on the same storage, which refreshes by itself where that is said. */
  open(options?: { autoRefreshToken?: boolean }): {
    supabase: SupabaseClient;
    getAccessToken(refresh?: boolean): Promise<string | null>;
  };
  /** Lets fake time pass, in milliseconds. */
  pass(ms: number): Promise<void>;
  /** Waits for a result, however long that takes on fake time; an error is given as its name. */
  outcome(promise: Promise<string | null>): Promise<string | null>;
}

/** Runs a test in a browser whose storage holds session 1. */
function inBrowser(sentence: string, check: (browser: Browser) => Promise<void>): void {
  test(`accessTokenFrom ${sentence}`, async () => {
    const clock = FakeTimers.install({
      now: START,
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"],
    });
    const stored = new Map([["session", JSON.stringify(session(1))]]);
    let issued = 1;
    const auth: Browser["auth"] = { answer: () => Response.json(session(++issued)), refreshes: [] };
    const opened: SupabaseClient[] = [];
    const browser: Browser = {
      auth,
      stored,
      pass: (ms) => clock.tickAsync(ms).then(() => {}),
      open({ autoRefreshToken = false } = {}) {
        const send: typeof fetch = async (input, init) => {
          const { pathname } = new URL(String(input));
          if (pathname === "/auth/v1/logout") return new Response(null, { status: 204 });
          const { refresh_token: token } = JSON.parse(String(init?.body));
          auth.refreshes.push(token);
          return await auth.answer(token);
        };
        const supabase = createClient("http://project.test", "key", {
          auth: {
            storageKey: "session",
            autoRefreshToken,
            storage: {
              getItem: (key) => stored.get(key) ?? null,
              setItem: (key, value) => void stored.set(key, value),
              removeItem: (key) => void stored.delete(key),
            },
          },
          global: { fetch: keepSession(send) },
        });
        opened.push(supabase);
        const getAccessToken = accessTokenFrom(supabase.auth);
        return { supabase, getAccessToken: (refresh = false) => getAccessToken({ refresh }) };
      },
      async outcome(promise) {
        let settled: { is: string | null } | undefined;
        promise.then((token) => settled = { is: token }, (error) => settled = { is: error.name });
        for (let seconds = 0; !settled && seconds < 120; seconds++) await clock.tickAsync(1_000);
        assert(settled, "it gave no answer in two minutes");
        return settled.is;
      },
    };
    try {
      await check(browser);
    } finally {
      for (const { auth } of opened) await auth.stopAutoRefresh();
      clock.uninstall();
    }
  });
}

inBrowser("gives the token of the session, and asks Auth for nothing", async ({ open, outcome, auth }) => {
  assert.equal(await outcome(open().getAccessToken()), "access 1");
  assert.deepEqual(auth.refreshes, []);
});

inBrowser("gives a fresh token where one is asked for", async ({ open, outcome, auth }) => {
  assert.equal(await outcome(open().getAccessToken(true)), "access 2");
  assert.deepEqual(auth.refreshes, ["refresh 1"]);
});

inBrowser("gives a fresh token where the old one has expired", async ({ open, outcome, pass }) => {
  const { getAccessToken } = open();
  await pass(HOUR_MS);
  assert.equal(await outcome(getAccessToken()), "access 2");
});

inBrowser("gives null where nobody is signed in", async ({ open, outcome, stored }) => {
  stored.clear();
  const { getAccessToken } = open();
  assert.equal(await outcome(getAccessToken()), null);
  assert.equal(await outcome(getAccessToken(true)), null);
});

inBrowser("gives null after a sign-out, and asks Auth for nothing", async ({ open, outcome, auth }) => {
  const { supabase, getAccessToken } = open();
  assert.equal(await outcome(getAccessToken()), "access 1");
  await supabase.auth.signOut();
  assert.equal(await outcome(getAccessToken()), null);
  assert.deepEqual(auth.refreshes, []);
});

inBrowser("gives null after a sign-out, and asks Auth for nothing", async ({ open, outcome, auth }) => {
  const { supabase, getAccessToken } = open();
  assert.equal(await outcome(getAccessToken()), "access 1");
  await supabase.auth.signOut();
  assert.equal(await outcome(getAccessToken()), null);
  assert.deepEqual(auth.refreshes, []);
});

inBrowser(
  "gives null after a sign-out, also where an outage came before",
  async ({ open, outcome, auth, pass }) => {
    const { supabase, getAccessToken } = open();
    assert.equal(await outcome(getAccessToken()), "access 1");
    await pass(HOUR_MS);
    auth.answer = refuses(503);
    assert.equal(await outcome(getAccessToken()), "AuthRetryableFetchError");
    auth.answer = refuses(400, "refresh_token_not_found");
    await pass(120_000);
    await supabase.auth.signOut();
    assert.equal(await outcome(getAccessToken()), null);
  },
);

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
  inBrowser(`gives null where Auth says ${code}`, async ({ open, outcome, auth, pass }) => {
    const { getAccessToken } = open();
    await pass(HOUR_MS);
    auth.answer = refuses(400, code);
    assert.equal(await outcome(getAccessToken()), null);
    assert.equal(await outcome(getAccessToken(true)), null);
  });
}

const OUTAGES: [string, Answer][] = [
  ["Auth answers 503", refuses(503)],
  ["Auth answers 500 in its own words", refuses(500, "unexpected_failure")],
  ["there is no network", () => Promise.reject(new TypeError("no network"))],
  ["Auth limits requests (429)", refuses(429, "over_request_rate_limit")],
  ["the gateway refuses the key (401)", () => Response.json({ message: "Invalid API key" }, { status: 401 })],
  ["a firewall answers (403)", () => new Response("<html>", { status: 403 })],
  ["Auth is busy (409)", refuses(409, "conflict")],
];
const UNREACHABLE = "AuthRetryableFetchError";
for (const [what, answer] of OUTAGES) {
  for (const autoRefreshToken of [false, true]) {
    const how = autoRefreshToken ? "supabase-js refreshes by itself" : "it does not";
    inBrowser(
      `rejects where ${what} while the token expires, and gives one when that is over; ${how}`,
      async ({ open, outcome, auth, pass }) => {
        const { getAccessToken } = open({ autoRefreshToken });
        assert.equal(await outcome(getAccessToken()), "access 1");
        const { answer: healthy } = auth;
        auth.answer = answer;
        // Through the time in which supabase-js refreshes ahead, and on beyond the end.
        await pass(HOUR_MS - 180_000);
        for (let minutes = 0; minutes < 10; minutes++) {
          const token = await outcome(getAccessToken());
          assert(token === "access 1" || token === UNREACHABLE, String(token));
          await pass(45_000);
        }
        assert.equal(await outcome(getAccessToken()), UNREACHABLE);
        auth.answer = healthy;
        // supabase-js remembers a failure for a minute.
        await pass(60_000);
        assert.equal(await outcome(getAccessToken()), "access 2");
      },
    );

    inBrowser(
      `rejects where ${what} and the page is opened with an expired token; ${how}`,
      async ({ open, outcome, auth, pass }) => {
        await pass(2 * HOUR_MS);
        const { answer: healthy } = auth;
        auth.answer = answer;
        const { getAccessToken } = open({ autoRefreshToken });
        for (let i = 0; i < 3; i++) assert.equal(await outcome(getAccessToken(i === 1)), UNREACHABLE);
        auth.answer = healthy;
        await pass(60_000);
        assert.equal(await outcome(getAccessToken()), "access 2");
      },
    );
  }

  inBrowser(`rejects where ${what} and a fresh token is asked for`, async ({ open, outcome, auth }) => {
    const { getAccessToken } = open();
    auth.answer = answer;
    assert.equal(await outcome(getAccessToken(true)), UNREACHABLE);
    assert.equal(await outcome(getAccessToken()), "access 1", "the old one is good until it expires");
  });

  inBrowser(
    `never signs in again who signed out while ${what}`,
    async ({ open, outcome, auth, pass, stored }) => {
      const { supabase, getAccessToken } = open();
      assert.equal(await outcome(getAccessToken()), "access 1");
      await pass(HOUR_MS);
      const { answer: healthy } = auth;
      auth.answer = answer;
      assert.equal(await outcome(getAccessToken()), UNREACHABLE);
      // What an app does that wants nobody signed in, with or without supabase-js.
      await Promise.race([supabase.auth.signOut({ scope: "local" }), pass(60_000)]);
      stored.clear();
      auth.answer = healthy;
      await pass(120_000);
      assert.equal(await outcome(getAccessToken()), null);
      assert.equal(await outcome(getAccessToken(true)), null);
      assert.equal(stored.size, 0);
    },
  );
}

inBrowser(
  "asks a failing Auth three times within half a minute, not eight",
  async ({ open, outcome, auth, pass }) => {
    const { getAccessToken } = open();
    await pass(HOUR_MS);
    auth.answer = refuses(429, "over_request_rate_limit");
    assert.equal(await outcome(getAccessToken()), UNREACHABLE);
    assert.equal(auth.refreshes.length, 3);
  },
);

inBrowser(
  "gives both of two tabs a token that refresh one session at once",
  async ({ open, outcome, auth, stored }) => {
    const [one, two] = [open(), open()];
    // Auth gives both a session, the second when the first has arrived: supabase-js discards that one.
    const { answer } = auth;
    let first: (() => void) | undefined;
    auth.answer = (token) =>
      new Promise((resolve) => {
        if (!first) return first = () => resolve(answer(token));
        first();
        const before = stored.get("session");
        const waiting = () => stored.get("session") === before ? setTimeout(waiting) : resolve(answer(token));
        waiting();
      });
    const tokens = await Promise.all([outcome(one.getAccessToken(true)), outcome(two.getAccessToken(true))]);
    assert.equal(auth.refreshes.length, 2, "both refreshed");
    assert.deepEqual(tokens, ["access 2", "access 2"]);
  },
);

inBrowser(
  "gives a tab whose refresh token another tab has used the other's token",
  async ({ open, outcome, auth, pass, stored }) => {
    const { getAccessToken } = open();
    await pass(HOUR_MS);
    auth.answer = (token) => {
      stored.set("session", JSON.stringify(session(7)));
      return refuses(400, "refresh_token_already_used")(token);
    };
    assert.equal(await outcome(getAccessToken()), "access 7");
  },
);
