/** accessTokenFrom with the real supabase-js, a fake Auth and fake time. */

import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { accessTokenFrom, keepSession } from "../examples/client/access_token.ts";
import { USER } from "./support/fake_upstream.ts";
import { test } from "./support/helpers.ts";

const START = Date.parse("2025-03-15T10:00:00Z");
const HOUR_MS = 3_600_000;

/** The outcome where no token has come within 75 s. */
const WAITS = Symbol("still waiting");

type Answer = (refreshToken: string) => Response | Promise<Response>;

/** A session as Auth issues it, for an hour unless another life or clock is given. The number tells sessions apart. */
function session(number: number, lifeMs = HOUR_MS, clockMs = Date.now()) {
  return {
    access_token: `access ${number}`,
    refresh_token: `refresh ${number}`,
    token_type: "bearer",
    expires_in: lifeMs / 1_000,
    expires_at: Math.floor((clockMs + lifeMs) / 1_000),
    user: { id: USER, aud: "authenticated", app_metadata: {}, user_metadata: {}, created_at: "2025-01-01" },
  };
}

const refuses = (status: number, code?: string): Answer => () =>
  Response.json({ code, message: `Auth says ${code}` }, {
    status,
    headers: { "X-Supabase-Api-Version": "2024-01-01", ...(code ? { "X-Sb-Error-Code": code } : {}) },
  });

interface Browser {
  /** How Auth answers a refresh. By default it rotates the token. */
  auth: { answer: Answer; refreshes: string[] };
  /** What the tabs share. */
  stored: Map<string, string>;
  /** Opens a new tab on the same storage; `autoRefreshToken` is supabase-js's option. */
  open(options?: { autoRefreshToken?: boolean }): {
    supabase: SupabaseClient;
    getAccessToken(refresh?: boolean): Promise<string | null>;
  };
  /** Lets fake time pass, in milliseconds. */
  pass(ms: number): Promise<void>;
  /** Waits up to a minute of fake time for a token. */
  outcome(promise: Promise<string | null>): Promise<string | null | typeof WAITS>;
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
        for (let seconds = 0; !settled && seconds < 75; seconds++) await clock.tickAsync(1_000);
        return settled ? settled.is : WAITS;
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

inBrowser("gives the session's token without a request to Auth", async ({ open, outcome, auth }) => {
  assert.equal(await outcome(open().getAccessToken()), "access 1");
  assert.deepEqual(auth.refreshes, []);
});

inBrowser("gives a fresh token where refresh is true", async ({ open, outcome, auth }) => {
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

inBrowser("gives null after a sign-out, without a request to Auth", async ({ open, outcome, auth }) => {
  const { supabase, getAccessToken } = open();
  assert.equal(await outcome(getAccessToken()), "access 1");
  await supabase.auth.signOut();
  assert.equal(await outcome(getAccessToken()), null);
  assert.deepEqual(auth.refreshes, []);
});

inBrowser(
  "gives null where the session ends during an outage",
  async ({ open, outcome, auth, pass }) => {
    const { getAccessToken } = open();
    await pass(HOUR_MS);
    auth.answer = refuses(503);
    const token = getAccessToken();
    assert.equal(await outcome(token), WAITS);
    auth.answer = refuses(400, "refresh_token_not_found");
    assert.equal(await outcome(token), null);
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
  inBrowser(`gives null where Auth answers ${code}`, async ({ open, outcome, auth, pass }) => {
    const { getAccessToken } = open();
    await pass(HOUR_MS);
    auth.answer = refuses(400, code);
    assert.equal(await outcome(getAccessToken()), null);
    assert.equal(await outcome(getAccessToken(true)), null);
  });
}

const OUTAGES: [string, Answer][] = [
  ["Auth answers 503", refuses(503)],
  ["Auth answers 500 unexpected_failure", refuses(500, "unexpected_failure")],
  ["there is no network", () => Promise.reject(new TypeError("no network"))],
  ["Auth limits requests (429)", refuses(429, "over_request_rate_limit")],
  ["the gateway refuses the key (401)", () => Response.json({ message: "Invalid API key" }, { status: 401 })],
  ["a firewall answers (403)", () => new Response("<html>", { status: 403 })],
  ["Auth is busy (409)", refuses(409, "conflict")],
  ["a captive portal answers (200)", () => new Response("<html>")],
  ["a proxy answers (200)", () => Response.json({ ok: true })],
];
for (const [what, answer] of OUTAGES) {
  for (const autoRefreshToken of [false, true]) {
    const how = `autoRefreshToken ${autoRefreshToken ? "on" : "off"}`;
    inBrowser(
      `gives the old token until it expires while ${what}, and a new one within 75 s after the outage; ${how}`,
      async ({ open, outcome, auth, pass }) => {
        const { getAccessToken } = open({ autoRefreshToken });
        assert.equal(await outcome(getAccessToken()), "access 1");
        const { answer: healthy } = auth;
        auth.answer = answer;
        // From 90 s before the expiry on, supabase-js gives no token without a refresh.
        await pass(HOUR_MS - 95_000);
        assert.equal(await outcome(getAccessToken()), "access 1");
        await pass(120_000);
        const token = getAccessToken();
        for (let minutes = 0; minutes < 10; minutes++) assert.equal(await outcome(token), WAITS);
        auth.answer = healthy;
        assert.equal(await outcome(token), "access 2");
      },
    );

    inBrowser(
      `gives a token within 75 s after the outage where ${what} and the page opened with an expired token; ${how}`,
      async ({ open, outcome, auth, pass }) => {
        await pass(2 * HOUR_MS);
        const { answer: healthy } = auth;
        auth.answer = answer;
        const { getAccessToken } = open({ autoRefreshToken });
        const tokens = [getAccessToken(), getAccessToken(true)];
        for (const token of tokens) assert.equal(await outcome(token), WAITS);
        auth.answer = healthy;
        for (const token of tokens) assert.match(String(await outcome(token)), /^access [23]$/);
      },
    );
  }

  inBrowser(
    `gives null and stores no session after a sign-out while ${what}`,
    async ({ open, outcome, auth, pass, stored }) => {
      const { supabase, getAccessToken } = open();
      assert.equal(await outcome(getAccessToken()), "access 1");
      await pass(HOUR_MS);
      const { answer: healthy } = auth;
      auth.answer = answer;
      assert.equal(await outcome(getAccessToken()), WAITS);
      // An app ends its session through supabase-js, or by clearing the storage.
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
  "retries a failing Auth with growing delays, and at most three times a minute",
  async ({ open, outcome, auth, pass }) => {
    const { getAccessToken } = open();
    await pass(HOUR_MS);
    const sent: number[] = [];
    auth.answer = (token) => {
      sent.push(Date.now());
      return refuses(429, "over_request_rate_limit")(token);
    };
    void getAccessToken();
    for (let minutes = 0; minutes < 20; minutes++) assert.equal(await outcome(getAccessToken()), WAITS);
    const waits = sent.slice(1).map((at, i) => at - (sent[i] ?? NaN));
    for (const [i, longest] of [2_000, 6_000, 18_000].entries()) {
      const wait = waits[i] ?? NaN;
      assert(wait >= longest / 2 && wait <= longest, `${wait}`);
    }
    const minutes = waits.reduce((sum, wait) => sum + wait, 0) / 60_000;
    assert(minutes > 15 && sent.length <= 3 * minutes, `${sent.length} requests in ${minutes} minutes`);
    assert(new Set(waits).size > 10, "with jitter");
  },
);

inBrowser(
  "refreshes a session at a random moment two to seven minutes before it expires, and gives the old token meanwhile",
  async ({ open, outcome, auth, pass, stored }) => {
    const { random } = Math;
    try {
      for (const [chance, ahead] of [[0, 120], [1, 420]] as const) {
        auth.refreshes.length = 0;
        stored.set("session", JSON.stringify(session(1)));
        Math.random = () => chance;
        const { getAccessToken } = open();
        const old = await outcome(getAccessToken());
        await pass(HOUR_MS - ahead * 1_000 - 15_000);
        assert.equal(await outcome(getAccessToken()), old);
        assert.deepEqual(auth.refreshes, []);
        await pass(20_000);
        const { answer } = auth;
        auth.answer = () => new Promise(() => {});
        assert.equal(await outcome(getAccessToken()), old, "the old token is still valid");
        assert.equal(await outcome(getAccessToken()), old);
        assert.equal(auth.refreshes.length, 1, "one refresh, however often the token is asked for");
        auth.answer = answer;
      }
    } finally {
      Math.random = random;
    }
  },
);

inBrowser(
  "gives a token to both of two tabs that refresh one session at the same time",
  async ({ open, outcome, auth, stored }) => {
    const [one, two] = [open(), open()];
    // Auth answers the second refresh once the first session is stored: supabase-js discards the second session.
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
  "gives the other tab's token where that tab has used the refresh token",
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

for (
  const [what, lifeMs, clockMs] of [
    ["an hour, where the browser's clock is 55 minutes fast", HOUR_MS, -55 * 60_000],
    ["five minutes", 300_000, 0],
  ] as const
) {
  inBrowser(
    `does not refresh at each call where a session lives for ${what}`,
    async ({ open, outcome, auth, pass, stored }) => {
      let issued = 1;
      auth.answer = () => Response.json(session(++issued, lifeMs, Date.now() + clockMs));
      stored.set("session", JSON.stringify(session(1, lifeMs, Date.now() + clockMs)));
      const { getAccessToken } = open();
      for (let calls = 0; calls < 60; calls++) {
        assert.match(String(await outcome(getAccessToken())), /^access/);
        await pass(1_000);
      }
      assert(auth.refreshes.length <= 1, `${auth.refreshes.length} refreshes in a minute`);
    },
  );
}

inBrowser(
  "sends no refresh token of a tab that was frozen, and takes the token of another tab",
  async ({ open, outcome, auth, pass, stored }) => {
    const { now } = Date;
    const { getAccessToken } = open();
    await pass(HOUR_MS);
    auth.answer = refuses(503);
    const token = getAccessToken();
    await pass(1_000);
    const sent = auth.refreshes.length;
    // Timers stand still while a tab is frozen, and the clock does not.
    stored.set("session", JSON.stringify(session(7, HOUR_MS, now() + HOUR_MS)));
    Date.now = () => now() + HOUR_MS;
    try {
      assert.equal(await outcome(token), "access 7");
      assert.equal(auth.refreshes.length, sent);
    } finally {
      Date.now = now;
    }
  },
);

inBrowser(
  "gives the token of a new sign-in, although Auth refuses the old session with an unknown code",
  async ({ open, outcome, auth, pass, stored }) => {
    const { getAccessToken } = open();
    await pass(HOUR_MS);
    auth.answer = refuses(403, "unknown");
    const token = getAccessToken();
    assert.equal(await outcome(token), WAITS);
    stored.set("session", JSON.stringify(session(7)));
    assert.equal(await outcome(token), "access 7");
  },
);
