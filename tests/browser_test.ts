/** The example page in a real browser: headless Chromium, on the local stack, cross-origin. */

import assert from "node:assert/strict";
import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";
import { startDemoWorker } from "../local/demo_worker.ts";
import { startPage } from "../local/page.ts";
import { FUNCTION_PATH, startStack } from "../local/stack.ts";
import { launch } from "./support/browser.ts";
import { test, until } from "./support/helpers.ts";

/** What the page must show, line by line. The browser is a German one in Berlin; the page speaks English. */
type Lines = (string | RegExp)[];

const counts = (...calls: string[]): Lines =>
  ["Total", "Processed", "Imported", "Skipped", "Failed"].flatMap((term, i) => [term, calls[i] ?? ""]);

const IMPORTING = "importing@example.com";
const FINISHED = "finished@example.com";
const PERIOD = "Calls from 1 Jan 2025 to 1 Mar 2025";
const HALF = counts("1,500", "750", "720", "25", "5");
const START = "Start import";
const RETRY: Lines = [/^Next try in \d+ seconds?\.$/, "Try now"];
const RUNNING: Lines = [PERIOD, "50% done", "Started 15 Mar 2025, 11:00", ...HALF, START];
const COMPLETE: Lines = [
  PERIOD,
  "Requested 14 Mar 2025, 11:00",
  ...counts("1,500", "1,500", "1,450", "40", "10"),
  START,
];

/** What each demo user sees of the seed. */
const SEEN: Record<string, Lines> = {
  [IMPORTING]: [
    "The import is running",
    IMPORTING,
    "The import seems stalled: no activity since 15 Mar 2025, 11:05.",
    ...RUNNING,
  ],
  [FINISHED]: ["The last import is complete", FINISHED, ...COMPLETE],
  "new@example.com": ["Nothing has been imported yet", "new@example.com", START],
  "nobody@example.com": ["Your user belongs to no agency", "nobody@example.com"],
};

/** What brings a state about: the importing agency's active job in SQL, or what becomes of requests. */
interface Cause {
  user?: string;
  job?: Record<string, string>;
  /** Before the sign-in or after it. */
  when?: "before" | "after";
  fault?: Fault;
}

/** What becomes of requests to these paths as long as it lasts: a 503, or they are held. */
interface Fault {
  paths: RegExp;
  held?: boolean;
}

const REQUESTED = "Requested 15 Mar 2025, 10:59";
const NONE = { processed_calls: "0", imported_calls: "0", skipped_calls: "0", failed_calls: "0" };
const PENDING: Lines = [PERIOD, "Waiting for its turn", ...counts("unknown", "0", "0", "0", "0"), START];

/** Each state beside those of the seed, with the whole text of the page. */
const STATES: [state: string, cause: Cause, due: Lines][] = [
  ["a pending job", {
    job: {
      ...NONE,
      status: "'pending'",
      started_at: "null",
      last_activity_at: "null",
      total_calls: "null",
    },
  }, ["The import is about to start", IMPORTING, ...PENDING]],
  ["a running job", {
    job: { started_at: "now() - interval '200 s'", last_activity_at: "now() + interval '100 s'" },
  }, [
    "The import is running",
    IMPORTING,
    PERIOD,
    "50% done",
    /^Started \d+ \w+ \d{4}, \d\d:\d\d$/,
    "5 minutes left",
    "Calls per minute: 150",
    ...HALF,
    START,
  ]],
  ["a slow job", { job: { started_at: "now() - interval '50 hours'", last_activity_at: "now()" } }, [
    "The import is running",
    IMPORTING,
    PERIOD,
    "50% done",
    /^Started /,
    "50 hours left",
    "Calls per minute: 0.25",
    ...HALF,
    START,
  ]],
  ["a job whose calls are being counted", {
    job: { started_at: "now()", last_activity_at: "null", total_calls: "null" },
  }, [
    "The import is running",
    IMPORTING,
    PERIOD,
    "Counting the calls",
    /^Started /,
    ...counts("unknown", "750", "720", "25", "5"),
    START,
  ]],
  ["a job that failed", { job: { status: "'failed'", created_at: "'2025-03-15T09:59:58Z'" } }, [
    "The last import failed",
    IMPORTING,
    PERIOD,
    REQUESTED,
    ...HALF,
    START,
  ]],
  ["a job that was cancelled", { job: { status: "'cancelled'", total_calls: "null" } }, [
    "The last import was cancelled",
    IMPORTING,
    PERIOD,
    REQUESTED,
    ...counts("unknown", "750", "720", "25", "5"),
    START,
  ]],
  ["that the service fails, and the last status", { fault: { paths: /functions/ }, when: "after" }, [
    "The import is running",
    IMPORTING,
    "The service is unreachable. What is shown may be out of date.",
    ...RETRY,
    ...RUNNING,
  ]],
  ["that the service fails from the start", { fault: { paths: /functions/ }, when: "before" }, [
    "Looking for an import …",
    IMPORTING,
    "The service is unreachable.",
    ...RETRY,
  ]],
];

const browser = await launch("the page in a browser");
if (browser) {
  const stack = await startStack();
  /** What arrives, by method and path: a proxy sees the preflights that a page cannot. */
  let arrived: string[] = [];
  let fault: Fault | undefined;
  const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    arrived.push(`${request.method} ${pathname}`);
    const met = request.method !== "OPTIONS" && fault?.paths.test(pathname) ? fault : undefined;
    try {
      if (met?.held) await until(() => fault !== met);
      else if (met) throw new Error("down");
      return await fetch(new Request(stack.url + pathname + search, request));
    } catch {
      return new Response(null, { status: 503, headers: { "Access-Control-Allow-Origin": "*" } });
    }
  });
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
      const context = await browser.newContext({ locale: "de-DE", timezoneId: "Europe/Berlin" });
      arrived = [];
      try {
        await check(await open(context), context);
      } finally {
        fault = undefined;
        await context.close();
      }
    });

  let nudgedAt = 0;
  /** Has the page poll soon: a tab that is shown again does, 2 s after the poll before at the soonest. */
  const nudge = async (tab: Page) => {
    if (performance.now() - nudgedAt < 100) return;
    nudgedAt = performance.now();
    await tab.clock.fastForward(2_000);
    for (const state of ["hidden", "visible"]) {
      await tab.evaluate(
        `Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "${state}" });
         document.dispatchEvent(new Event("visibilitychange"))`,
      );
    }
  };
  /** Asserts that the page shows these lines and nothing else, as soon as it does. */
  const shows = async (tab: Page, due: Lines = [], meanwhile = () => Promise.resolve()) => {
    let seen: string[] = [];
    try {
      await until(async () => {
        await meanwhile();
        const texts = await tab.locator("#sign-in-status, #card:not([hidden])").allInnerTexts();
        seen = texts.join("\n").replaceAll("\u00a0", " ").split("\n").map((line) => line.trim())
          .filter(Boolean);
        return seen.length === due.length &&
          due.every((line, i) => typeof line === "string" ? line === seen[i] : line.test(seen[i] ?? ""));
      });
    } catch {
      assert.deepEqual(seen, due);
    }
  };
  const showsSoon = (tab: Page, due?: Lines) => shows(tab, due, () => nudge(tab));
  const signIn = async (tab: Page, email: string) => {
    await tab.getByLabel("Demo user").selectOption(email);
    await tab.getByRole("button", { name: "Sign in" }).click();
  };
  const signedIn = async (tab: Page, email: string) => {
    await signIn(tab, email);
    await shows(tab, SEEN[email]);
  };
  const polls = () => arrived.filter((line) => line === `GET ${FUNCTION_PATH}`).length;
  const pollsAgain = async (tab: Page) => {
    const before = polls();
    await until(async () => {
      await nudge(tab);
      return polls() > before;
    });
  };

  /** axe finds nothing in either colour scheme, and nothing sticks out: on a desk, on a phone, with large text. */
  const looksRight = async (tab: Page) => {
    await tab.evaluate(axe.source);
    for (const colorScheme of ["light", "dark"] as const) {
      await tab.emulateMedia({ colorScheme });
      const found = await tab.evaluate(
        "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))",
      );
      assert.deepEqual(found, []);
    }
    for (const [width, text] of [[320, "100%"], [360, "200%"], [1280, "100%"]] as const) {
      await tab.setViewportSize({ width, height: 800 });
      const out = await tab.evaluate(`document.documentElement.style.fontSize = "${text}";
        [...document.querySelectorAll("body :not(.unseen, option)")].filter((each) =>
          each.getBoundingClientRect().right > ${width} || each.clientWidth && each.scrollWidth > each.clientWidth
        ).map(({ outerHTML }) => outerHTML)`);
      assert.deepEqual(out, [], `at ${width} px with text of ${text}`);
    }
  };
  const JOBS = "public.historical_sync_jobs";
  /** Runs a check while the active job of one of the seed's agencies is another; puts the seed's jobs back. */
  const withJob = async (columns: Record<string, string>, check: () => Promise<void>) => {
    await stack.sql(`create table private.jobs as select * from ${JOBS}`);
    try {
      const set = Object.entries(columns).map(([column, value]) => `${column} = ${value}`).join();
      if (set) await stack.sql(`update ${JOBS} set ${set} where status = 'in_progress'`);
      await check();
    } finally {
      await stack.sql(`delete from ${JOBS}`);
      await stack.sql(`insert into ${JOBS} select * from private.jobs`);
      await stack.sql("drop table private.jobs");
    }
  };
  /** What the live regions say from now on. */
  const announcements = async (tab: Page): Promise<string[]> => {
    const announced: string[] = [];
    await tab.exposeFunction("announced", (text: string) => void announced.push(text));
    await tab.evaluate(`for (const region of document.querySelectorAll("[role=status]")) {
      new MutationObserver(() => announced(region.textContent)).observe(region, { childList: true });
    }`);
    return announced;
  };
  const focus = (tab: Page) => tab.locator(":focus").innerText();

  inBrowser("the page shows each demo user their status, and nothing of the user before", async (tab) => {
    await looksRight(tab);
    for (const email of Object.keys(SEEN)) {
      await signedIn(tab, email);
      await looksRight(tab);
    }
    for (const email of Object.keys(SEEN).toReversed()) await signedIn(tab, email);
  });

  for (const [state, { job = {}, when, fault: due }, lines] of STATES) {
    inBrowser(`the page shows ${state}, and then what was before`, async (tab) => {
      if (when === "before") fault = due;
      else await signedIn(tab, IMPORTING);
      await withJob(job, async () => {
        fault = due;
        if (when === "before") await signIn(tab, IMPORTING);
        await showsSoon(tab, lines);
        await looksRight(tab);
      });
      fault = undefined;
      await showsSoon(tab, SEEN[IMPORTING]);
    });
  }

  inBrowser(
    "an import is started by keyboard: at once it shows, three clicks send one request, the focus stays",
    async (tab) => {
      await tab.keyboard.press("Tab");
      for (let times = 0; times < 2; times++) await tab.keyboard.press("ArrowDown");
      await tab.keyboard.press("Tab");
      await tab.keyboard.press("Enter");
      await shows(tab, SEEN["new@example.com"]);
      await withJob({}, async () => {
        fault = { paths: /\/auth\/v1\/user/, held: true };
        await tab.keyboard.press("Tab");
        for (let times = 0; times < 3; times++) await tab.keyboard.press("Enter");
        // Neither a poll ends it, nor does it wait for one.
        await pollsAgain(tab);
        await shows(tab, [
          "Nothing has been imported yet",
          "new@example.com",
          "Starting the import …",
          START,
        ]);
        await looksRight(tab);
        const before = polls();
        fault = undefined;
        await tab.clock.fastForward(2_000);
        await shows(tab, ["The import is about to start", "new@example.com", ...PENDING]);
        assert.equal(polls(), before + 1);
        assert.equal(arrived.filter((line) => line === "GET /auth/v1/user").length, 1);
        assert.equal(await focus(tab), START);
        const token = await stack.signIn("new@example.com");
        const headers = { Authorization: `Bearer ${token}` };
        const again = await fetch(new URL("imports", page.url), { method: "POST", headers });
        assert.equal(again.status, 409);
      });
    },
  );

  inBrowser("an import that can't be started: the page says so, and can try again", async (tab) => {
    await signedIn(tab, "new@example.com");
    fault = { paths: /\/auth\/v1\/user/ };
    await tab.getByRole("button", { name: START }).click();
    await shows(tab, [
      "Nothing has been imported yet",
      "new@example.com",
      "The import could not be started. Please try again.",
      START,
    ]);
    await tab.locator("#start[aria-disabled=false]").waitFor();
  });

  inBrowser(
    "Try now polls at once and keeps the focus; no second of the count-down is announced",
    async (tab) => {
      await signedIn(tab, IMPORTING);
      fault = { paths: /functions/ };
      await tab.clock.fastForward(60_000);
      await tab.getByRole("button", { name: "Try now" }).waitFor();
      const announced = await announcements(tab);
      const seconds = await tab.locator("#countdown").innerText();
      await tab.clock.fastForward(1_000);
      await until(async () => seconds !== await tab.locator("#countdown").innerText());
      assert.deepEqual(announced, []);
      await tab.clock.fastForward(1_000);
      const before = polls();
      await tab.getByRole("button", { name: "Try now" }).press("Enter");
      await until(() => polls() > before);
      await shows(tab, STATES[6]?.[2]);
      assert.equal(await focus(tab), "Try now");
      assert.deepEqual(announced, [
        "Trying again …",
        "The service is unreachable. What is shown may be out of date.",
      ]);
      fault = undefined;
      await showsSoon(tab, SEEN[IMPORTING]);
      assert.equal(await focus(tab), "The import is running");
    },
  );

  inBrowser("a session that is over is dropped, and the page asks to sign in again", async (tab) => {
    await signedIn(tab, IMPORTING);
    await stack.sql("delete from auth.sessions");
    await showsSoon(tab, ["Your session is over. Please sign in again."]);
    await looksRight(tab);
    await until(async () => await tab.evaluate("localStorage.length") === 0);
    await signedIn(tab, IMPORTING);
  });

  inBrowser("while a sign-in is under way there is no other, and nothing of the user before", async (tab) => {
    await signedIn(tab, IMPORTING);
    fault = { paths: /\/auth\/v1\/token/, held: true };
    await signIn(tab, FINISHED);
    await shows(tab, ["Signing in …"]);
    await looksRight(tab);
    // Playwright does not click what says that it is disabled; people do.
    await tab.getByLabel("Demo user").selectOption("new@example.com");
    await tab.getByRole("button", { name: "Sign in" }).press("Enter");
    // supabase-js says the session before once more if the tab is shown again.
    await nudge(tab);
    await shows(tab, ["Signing in …"]);
    fault = undefined;
    await shows(tab, SEEN[FINISHED]);
  });

  inBrowser(
    "signing in as another while offline fails, and the page goes on with who is signed in",
    async (tab, context) => {
      const failed = `${FINISHED} could not sign in: the service is unreachable. Please try again.`;
      await context.setOffline(true);
      await signIn(tab, FINISHED);
      await shows(tab, [failed]);
      await context.setOffline(false);
      await signedIn(tab, IMPORTING);
      await context.setOffline(true);
      await signIn(tab, FINISHED);
      await shows(tab, [
        failed,
        "Looking for an import …",
        IMPORTING,
        "The service is unreachable.",
        ...RETRY,
      ]);
      await context.setOffline(false);
      await showsSoon(tab, [failed, ...SEEN[IMPORTING] ?? []]);
      await signedIn(tab, FINISHED);
    },
  );

  inBrowser("a page that is opened in an outage takes up its session later", async (tab) => {
    await signedIn(tab, FINISHED);
    fault = { paths: /auth/ };
    await tab.clock.fastForward(3_600_000);
    await tab.reload();
    const moveOn = () => tab.clock.fastForward(1_000);
    await shows(tab, ["The service is unreachable. Trying again …"], moveOn);
    fault = undefined;
    await shows(tab, SEEN[FINISHED], moveOn);
  });

  inBrowser("who signs in as another in one tab is shown in every tab", async (tab, context) => {
    await signedIn(tab, IMPORTING);
    const other = await open(context);
    // It takes up the session that the first one left.
    await shows(other, SEEN[IMPORTING]);
    await signedIn(other, FINISHED);
    for (const each of [tab, other]) await showsSoon(each, SEEN[FINISHED]);
  });

  inBrowser("a screen reader hears the title once, each tenth of the progress, and the end", async (tab) => {
    await withJob({}, async () => {
      await signedIn(tab, IMPORTING);
      assert.equal(await tab.getByRole("progressbar", { name: "50% done" }).getAttribute("value"), "50");
      const announced = await announcements(tab);
      for (const processed of [755, 800, 905]) {
        await stack.sql(`update ${JOBS} set processed_calls = $1 where status = 'in_progress'`, [processed]);
        await pollsAgain(tab);
        await tab.getByText(`${Math.round(processed / 15)}% done`).first().waitFor();
      }
      await stack.sql(`update ${JOBS} set status = 'completed' where status = 'in_progress'`);
      await pollsAgain(tab);
      await tab.getByText("Requested").waitFor();
      assert.deepEqual(announced, ["The import is running: 60% done", "", "The last import is complete"]);
    });
  });

  inBrowser("after the first preflight each poll is one request", async (tab) => {
    await signedIn(tab, IMPORTING);
    for (let times = 0; times < 3; times++) await pollsAgain(tab);
    assert.equal(arrived.filter((line) => line === `OPTIONS ${FUNCTION_PATH}`).length, 1);
  });

  inBrowser(
    "a poll from another origin may carry the headers that monitoring SDKs and libraries add",
    async (tab) => {
      const added = ["sentry-trace", "x-datadog-trace-id", "x-requested-with", "cache-control"];
      const headers = Object.fromEntries(added.map((name) => [name, "1"]));
      const init = { headers: { ...headers, Authorization: `Bearer ${await stack.signIn(IMPORTING)}` } };
      const address = `http://127.0.0.1:${proxy.addr.port}${FUNCTION_PATH}`;
      assert.equal(
        await tab.evaluate(`fetch("${address}", ${JSON.stringify(init)}).then(({ status }) => status)`),
        200,
      );
    },
  );

  // Last: it moves the seeded job on.
  inBrowser("the page shows a job from its request to its end", async (tab) => {
    await signIn(tab, IMPORTING);
    await stack.sql(`update ${JOBS} set processed_calls = 1490 where status = 'in_progress'`);
    const worker = startDemoWorker(stack.url, 50);
    const titles: string[] = [];
    try {
      await until(async () => {
        await nudge(tab);
        const title = await tab.locator("#title").innerText();
        if (title !== titles.at(-1)) titles.push(title);
        return /about to start, The import is running, The last import is complete/.test(titles.join(", "));
      }, 50_000);
    } finally {
      await worker.stop();
    }
  });
}
