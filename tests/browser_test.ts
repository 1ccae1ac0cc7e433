/** The example page in a real browser: headless Chromium, on the local stack, cross-origin. */

import assert from "node:assert/strict";
import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";
import { z } from "zod";
import { startDemoWorker } from "../local/demo_worker.ts";
import { DEMO_USERS, startPage } from "../local/page.ts";
import { FUNCTION_PATH, startStack } from "../local/stack.ts";
import { launch } from "./support/browser.ts";
import { test, until } from "./support/helpers.ts";

/** Headless Chromium shows every tab; this is what a page is told when its tab is hidden. */
async function setVisibility(tab: Page, state: "hidden" | "visible"): Promise<void> {
  await tab.evaluate(
    `Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "${state}" });
     document.dispatchEvent(new Event("visibilitychange"))`,
  );
}

/** What the card must show, line by line. */
type Lines = (string | RegExp)[];

/** Asserts that the card shows these lines and nothing else, as soon as it does. */
async function shows(tab: Page, due: Lines, meanwhile = () => Promise.resolve()): Promise<void> {
  let seen: string[] = [];
  try {
    await until(async () => {
      await meanwhile();
      const text = await tab.locator("#card").innerText();
      seen = text.replaceAll("\u00a0", " ").split("\n").map((line) => line.trim()).filter(Boolean);
      return seen.length === due.length &&
        due.every((line, i) => typeof line === "string" ? line === seen[i] : line.test(seen[i] ?? ""));
    });
  } catch {
    assert.deepEqual(seen, due);
  }
}

const counts = (
  total: string,
  processed: string,
  imported: string,
  skipped: string,
  failed: string,
): Lines => [
  "Total",
  total,
  "Processed",
  processed,
  "Imported",
  imported,
  "Skipped",
  skipped,
  "Failed",
  failed,
];

const PERIOD = "Calls from 1 Jan 2025 to 1 Mar 2025";

/** What each demo user sees of the seed, in London's spelling and Berlin's time. */
const SEEN: Record<string, Lines> = {
  "importing@example.com": [
    "The import is running",
    "importing@example.com",
    "The import seems stalled: no activity since 15 Mar 2025, 11:05.",
    PERIOD,
    "50 % done",
    "Started 15 Mar 2025, 11:00",
    ...counts("1,500", "750", "720", "25", "5"),
  ],
  "finished@example.com": [
    "The last import is complete",
    "finished@example.com",
    PERIOD,
    "Requested 14 Mar 2025, 11:00",
    ...counts("1,500", "1,500", "1,450", "40", "10"),
    "Start import",
  ],
  "new@example.com": ["Nothing has been imported yet", "new@example.com", "Start import"],
  "nobody@example.com": ["Your user belongs to no agency"],
};

const browser = await launch("the page in a browser");
if (browser) {
  const stack = await startStack();
  /** What arrives, by method and path: a proxy sees the preflights that a page cannot. */
  let arrived: string[] = [];
  /** Which of it is answered with 503 in the place of the stack. */
  let down: RegExp | undefined;
  /** How many requests are under way, and when there last was one. */
  let inFlight = 0;
  let busyAt = 0;
  const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    arrived.push(`${request.method} ${pathname}`);
    inFlight++;
    try {
      if (request.method !== "OPTIONS" && down?.test(pathname)) throw new Error("down");
      const answer = await fetch(new Request(stack.url + pathname + search, request));
      return request.method === "POST" && pathname === "/auth/v1/token" ? byTheirOwnClock(answer) : answer;
    } catch {
      return new Response(null, { status: 503, headers: { "Access-Control-Allow-Origin": "*" } });
    } finally {
      inFlight--;
      busyAt = performance.now();
    }
  });
  /** A session without the time of its end, as older Auth servers sent it: tabs count from their own clock then. */
  const byTheirOwnClock = async (answer: Response) => {
    const { expires_at: _, ...session } = z.record(z.string(), z.unknown()).parse(await answer.json());
    return Response.json(session, { status: answer.status, headers: { "Access-Control-Allow-Origin": "*" } });
  };
  const polls = () => arrived.filter((line) => line === `GET ${FUNCTION_PATH}`).length;
  const page = startPage();
  await page.show(`http://127.0.0.1:${proxy.addr.port}`);
  Deno.test.afterAll(async () => {
    await browser.close();
    await page.stop();
    await proxy.shutdown();
    await stack.stop();
  });

  /** Opens the page in a tab, whose clock can be moved on. */
  const open = async (context: BrowserContext): Promise<Page> => {
    const tab = await context.newPage();
    tab.setDefaultTimeout(20_000);
    await tab.clock.install();
    await tab.goto(page.url);
    await tab.locator("#submit:enabled").waitFor();
    return tab;
  };

  const inBrowser = (sentence: string, check: (tab: Page, context: BrowserContext) => Promise<void>) =>
    test(sentence, async () => {
      const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Berlin" });
      arrived = [];
      try {
        await check(await open(context), context);
      } finally {
        down = undefined;
        await context.close();
      }
    });

  /** Moves a tab's clock on, unless a request is under way: it would be given up. */
  const moveOn = async (tab: Page, ms = 30_000) => {
    if (inFlight > 0 || performance.now() - busyAt < 200) return;
    busyAt = performance.now();
    await tab.clock.fastForward(ms);
  };
  const showsInTime = (tab: Page, due: Lines) => shows(tab, due, () => moveOn(tab));
  const pollsAgain = async (tab: Page) => {
    const before = polls();
    await until(async () => {
      await moveOn(tab);
      return polls() > before;
    });
  };
  const signIn = async (tab: Page, email: string) => {
    await tab.getByLabel("Demo user").selectOption(email);
    await tab.getByRole("button", { name: "Sign in" }).click();
  };
  const signedIn = async (tab: Page, email: string) => {
    await signIn(tab, email);
    await shows(tab, SEEN[email] ?? []);
  };
  const withoutViolations = async (tab: Page) => {
    await tab.evaluate(axe.source);
    const found: unknown = await tab.evaluate(
      "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))",
    );
    assert.deepEqual(z.array(z.string()).parse(found), []);
  };
  /** Runs a check while the importing agency's jobs are others; puts the seed's back. */
  const withJob = async (columns: Record<string, string>, check: () => Promise<void>) => {
    const harbour = "agency_id = 'a0000000-0000-4000-8000-000000000001'";
    const jobs = "public.historical_sync_jobs";
    await stack.sql(`create table private.jobs as select * from ${jobs} where ${harbour}`);
    try {
      const set = Object.entries(columns).map(([column, value]) => `${column} = ${value}`).join();
      await stack.sql(`update ${jobs} set ${set} where ${harbour} and status = 'in_progress'`);
      await check();
    } finally {
      await stack.sql(`delete from ${jobs} where ${harbour}`);
      await stack.sql(`insert into ${jobs} select * from private.jobs`);
      await stack.sql("drop table private.jobs");
    }
  };

  inBrowser(
    "the page shows each demo user what the endpoint tells them, and nothing of the user before",
    async (tab) => {
      const order = [...DEMO_USERS, ...DEMO_USERS.toReversed()].map(({ email }) => email);
      for (const email of order) await signedIn(tab, email);
    },
  );

  inBrowser("an active job has a labelled progress bar", async (tab) => {
    await signedIn(tab, "importing@example.com");
    const bar = tab.getByRole("progressbar", { name: "50 % done" });
    assert.equal(await bar.getAttribute("value"), "50");
  });

  const STATES: [string, Record<string, string>, Lines][] = [
    [
      "a job that is about to start",
      {
        status: "'pending'",
        started_at: "null",
        last_activity_at: "null",
        total_calls: "null",
        processed_calls: "0",
        imported_calls: "0",
        skipped_calls: "0",
        failed_calls: "0",
      },
      [
        "The import is about to start",
        "importing@example.com",
        PERIOD,
        "Waiting for its turn",
        ...counts("unknown", "0", "0", "0", "0"),
      ],
    ],
    [
      "a job that runs",
      { started_at: "now() - interval '200 s'", last_activity_at: "now() + interval '100 s'" },
      [
        "The import is running",
        "importing@example.com",
        PERIOD,
        "50 % done",
        /^Started .* · 5 minutes left · 3 calls per second$/,
        ...counts("1,500", "750", "720", "25", "5"),
      ],
    ],
    [
      "a slow job",
      { started_at: "now() - interval '25 hours'", last_activity_at: "now()" },
      [
        "The import is running",
        "importing@example.com",
        PERIOD,
        "50 % done",
        /^Started .* · 25 hours left · 1 calls per minute$/,
        ...counts("1,500", "750", "720", "25", "5"),
      ],
    ],
    [
      "a job whose calls are being counted",
      { started_at: "now()", last_activity_at: "null", total_calls: "null" },
      [
        "The import is running",
        "importing@example.com",
        PERIOD,
        "Counting the calls",
        /^Started [^·]*$/,
        ...counts("unknown", "750", "720", "25", "5"),
      ],
    ],
    [
      "a job that failed",
      { status: "'failed'", created_at: "'2025-03-15T09:59:58Z'" },
      [
        "The last import failed",
        "importing@example.com",
        PERIOD,
        "Requested 15 Mar 2025, 10:59",
        ...counts("1,500", "750", "720", "25", "5"),
        "Start import",
      ],
    ],
    [
      "a job that was cancelled before its calls were counted",
      { status: "'cancelled'", total_calls: "null" },
      [
        "The last import was cancelled",
        "importing@example.com",
        PERIOD,
        "Requested 15 Mar 2025, 10:59",
        ...counts("unknown", "750", "720", "25", "5"),
        "Start import",
      ],
    ],
  ];
  for (const [what, columns, due] of STATES) {
    inBrowser(`the page shows ${what}, also after another state`, async (tab) => {
      await signedIn(tab, "importing@example.com");
      await withJob(columns, async () => {
        await showsInTime(tab, due);
      });
      await showsInTime(tab, SEEN["importing@example.com"] ?? []);
    });
  }

  inBrowser("axe-core finds no violation, in light and in dark, on a desk and on a phone", async (tab) => {
    await withoutViolations(tab);
    for (const email of ["importing@example.com", "finished@example.com"]) {
      await signedIn(tab, email);
      for (const colorScheme of ["light", "dark"] as const) {
        await tab.emulateMedia({ colorScheme });
        for (const width of [1280, 360]) {
          await tab.setViewportSize({ width, height: 800 });
          await withoutViolations(tab);
          const wide: unknown = await tab.evaluate("document.documentElement.scrollWidth");
          assert(Number(wide) <= width, `nothing is wider than ${width} pixels`);
        }
      }
    }
  });

  inBrowser("the five counts stand in one row on a desk", async (tab) => {
    await tab.setViewportSize({ width: 1280, height: 800 });
    await signedIn(tab, "finished@example.com");
    const tops: unknown = await tab.evaluate(
      "[...document.querySelectorAll('dl > div')].map((group) => group.getBoundingClientRect().top)",
    );
    assert.equal(new Set(z.array(z.number()).length(5).parse(tops)).size, 1);
  });

  inBrowser("the page works with the keyboard alone", async (tab) => {
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("ArrowDown");
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("Enter");
    await shows(tab, SEEN["finished@example.com"] ?? []);
  });

  inBrowser("after the first preflight each poll is one request", async (tab) => {
    await signedIn(tab, "importing@example.com");
    for (let times = 0; times < 3; times++) await pollsAgain(tab);
    assert.equal(arrived.filter((line) => line === `OPTIONS ${FUNCTION_PATH}`).length, 1);
  });

  inBrowser("who starts an import sees it at once, and no second one is started", async (tab) => {
    await signedIn(tab, "new@example.com");
    const before = polls();
    try {
      await tab.clock.fastForward(3_000);
      await tab.getByRole("button", { name: "Start import" }).click();
      await shows(tab, [
        "The import is about to start",
        "new@example.com",
        PERIOD,
        "Waiting for its turn",
        ...counts("unknown", "0", "0", "0", "0"),
      ]);
      assert.equal(polls(), before + 1);
      const token = await stack.signIn("new@example.com");
      const again = await fetch(new URL("imports", page.url), {
        method: "POST",
        headers: { Authorization: `Bearer ${token}` },
      });
      assert.equal(again.status, 409);
    } finally {
      await stack.sql(
        "delete from public.historical_sync_jobs where agency_id = 'a0000000-0000-4000-8000-000000000003'",
      );
    }
  });

  inBrowser("where an import can't be started the page says so", async (tab) => {
    await signedIn(tab, "new@example.com");
    await tab.route("**/imports", (route) => route.abort());
    await tab.getByRole("button", { name: "Start import" }).click();
    await shows(tab, [
      "Nothing has been imported yet",
      "new@example.com",
      "The import could not be started. Please try again.",
      "Start import",
    ]);
  });

  inBrowser("a hidden tab does not poll, and a shown one does at once", async (tab) => {
    await signedIn(tab, "importing@example.com");
    await setVisibility(tab, "hidden");
    const before = polls();
    await tab.clock.fastForward(600_000);
    // What left by then arrives before this does.
    await tab.evaluate("fetch('config.json').then((response) => response.text())");
    assert.equal(polls(), before);
    await setVisibility(tab, "visible");
    await until(() => polls() > before);
  });

  inBrowser(
    "when the service fails the page says so and keeps what it shows, and recovers by itself",
    async (tab) => {
      const [title = "", whose = "", , ...rest] = SEEN["importing@example.com"] ?? [];
      await signedIn(tab, "importing@example.com");
      down = /functions/;
      await tab.clock.fastForward(60_000);
      const problem =
        /^The service is unreachable; what is shown may be out of date. Next try in \d+ seconds?.$/;
      await shows(tab, [title, whose, problem, ...rest]);
      down = undefined;
      await showsInTime(tab, SEEN["importing@example.com"] ?? []);
    },
  );

  inBrowser(
    "when the service fails from the start the page shows nothing else, and recovers by itself",
    async (tab) => {
      await signedIn(tab, "importing@example.com");
      down = /functions/;
      await signIn(tab, "finished@example.com");
      await shows(tab, ["The service is unreachable", "finished@example.com", /^Next try in \d+ seconds?.$/]);
      down = undefined;
      await showsInTime(tab, SEEN["finished@example.com"] ?? []);
    },
  );

  inBrowser("when the session is over the page asks to sign in again, and does", async (tab) => {
    await signedIn(tab, "importing@example.com");
    await stack.sql("delete from auth.sessions");
    await tab.clock.fastForward(60_000);
    await shows(tab, ["Your session is over. Please sign in again."]);
    await signedIn(tab, "importing@example.com");
  });

  inBrowser(
    "while one sign-in is under way there is no other, and nothing of the session before",
    async (tab) => {
      await signedIn(tab, "importing@example.com");
      let release = () => {};
      const held = new Promise<void>((resolve) => release = resolve);
      await tab.route("**/auth/v1/token**", async (route) => {
        await held;
        await route.continue();
      });
      await signIn(tab, "finished@example.com");
      await shows(tab, ["Signing in …"]);
      // Playwright does not click what says that it is disabled; people do.
      await tab.getByLabel("Demo user").selectOption("new@example.com");
      await tab.getByRole("button", { name: "Sign in" }).press("Enter");
      // supabase-js tells the session before once more when the tab is shown again.
      await setVisibility(tab, "hidden");
      await setVisibility(tab, "visible");
      await tab.clock.fastForward(60_000);
      await shows(tab, ["Signing in …"]);
      release();
      await shows(tab, SEEN["finished@example.com"] ?? []);
    },
  );

  inBrowser("an Auth that is out of reach is no user who could not sign in", async (tab) => {
    down = /auth/;
    await signIn(tab, "finished@example.com");
    await shows(tab, ["The service is unreachable"]);
    down = undefined;
    await signedIn(tab, "finished@example.com");
  });

  inBrowser("a screen reader is told the title once, and each tenth of the progress", async (tab) => {
    await stack.sql("create table private.jobs as select * from public.historical_sync_jobs");
    try {
      await signedIn(tab, "importing@example.com");
      const told: string[] = [];
      await tab.exposeFunction("told", (text: string) => void told.push(text));
      await tab.evaluate(`for (const announcer of document.querySelectorAll("[role=status].unseen")) {
        new MutationObserver(() => told(announcer.textContent)).observe(announcer, { childList: true });
      }`);
      for (const processed of [755, 800, 905]) {
        await stack.sql(
          "update public.historical_sync_jobs set processed_calls = $1 where status = 'in_progress'",
          [processed],
        );
        await pollsAgain(tab);
        await tab.getByText(`${Math.round(processed / 15)} % done`).first().waitFor();
      }
      assert.deepEqual(told, ["60 % done"]);
    } finally {
      await stack.sql("delete from public.historical_sync_jobs");
      await stack.sql("insert into public.historical_sync_jobs select * from private.jobs");
      await stack.sql("drop table private.jobs");
    }
  });

  const HOUR_MS = 3_600_000;
  const refreshes = () => arrived.filter((line) => line === "POST /auth/v1/token").length - 1;

  inBrowser(
    "two tabs share a session through ten refreshes with a poll each, and neither is told signed out",
    async (tab, context) => {
      await signedIn(tab, "finished@example.com");
      // The second tab takes up the session that the first one left.
      const other = await open(context);
      await shows(other, SEEN["finished@example.com"] ?? []);
      const told: string[] = [];
      for (const each of [tab, other]) {
        await each.exposeFunction("told", (title: string) => void told.push(title));
        await each.evaluate(
          "new MutationObserver(() => told(document.querySelector('#title').textContent)).observe(document.querySelector('#title'), { childList: true })",
        );
      }
      while (refreshes() < 10) {
        const [polled, refreshed] = [polls(), refreshes()];
        // The token is about to expire in both at once.
        await Promise.all([tab.clock.fastForward(HOUR_MS), other.clock.fastForward(HOUR_MS)]);
        await until(async () => {
          for (const each of [tab, other]) await moveOn(each);
          return refreshes() > refreshed && polls() >= polled + 2;
        });
      }
      for (const each of [tab, other]) await showsInTime(each, SEEN["finished@example.com"] ?? []);
      assert.deepEqual(told.filter((title) => title !== "The last import is complete"), []);
    },
  );

  inBrowser(
    "with Auth down and the token expired the page says unreachable, and then goes on",
    async (tab) => {
      const [title = "", whose = "", ...rest] = SEEN["finished@example.com"] ?? [];
      await signedIn(tab, "finished@example.com");
      down = /auth/;
      await tab.clock.fastForward(HOUR_MS);
      const problem = /^The service is unreachable; .* Next try in \d+ seconds?.$/;
      await shows(tab, [title, whose, problem, ...rest], () => moveOn(tab, 2_000));
      down = undefined;
      await showsInTime(tab, [title, whose, ...rest]);
    },
  );

  // Last: it moves the seeded job on.
  inBrowser("the page shows a job from its request to its end", async (tab) => {
    await tab.setViewportSize({ width: 640, height: 560 });
    await signIn(tab, "importing@example.com");
    await stack.sql(
      "update public.historical_sync_jobs set processed_calls = 1490 where status = 'in_progress'",
    );
    const worker = startDemoWorker(stack.url, 100);
    const titles: string[] = [];
    try {
      // The page's clock runs as much faster as the worker's life does.
      await until(async () => {
        await tab.clock.fastForward(1_000);
        const title = await tab.locator("#title").innerText();
        if (title !== titles.at(-1)) titles.push(title);
        return titles.length > 4 && title === "The last import is complete";
      }, 60_000);
    } finally {
      await worker.stop();
    }
    const life = [
      "The import is running",
      "The last import is complete",
      "The import is about to start",
      "The import is running",
      "The last import is complete",
    ];
    assert.deepEqual(titles.slice(-5), life);
  });
}
