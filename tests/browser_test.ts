/** The example page in a real browser: headless Chromium, on the local stack, cross-origin. */

import assert from "node:assert/strict";
import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";
import { z } from "zod";
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

/** Requests to these paths are answered with a 503; or not before a promise settles. */
interface Fault {
  paths: RegExp;
  until?: Promise<void>;
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
  let inFlight = 0;
  let fault: Fault | undefined;
  const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    arrived.push(`${request.method} ${pathname}`);
    const met = request.method !== "OPTIONS" && fault?.paths.test(pathname) ? fault : undefined;
    inFlight++;
    try {
      await met?.until;
      if (met && !met.until) throw new Error("down");
      return await fetch(new Request(stack.url + pathname + search, request));
    } catch {
      return new Response(null, { status: 503, headers: { "Access-Control-Allow-Origin": "*" } });
    } finally {
      inFlight--;
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
    if (inFlight > 0 || performance.now() - nudgedAt < 200) return;
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
  const sees = async (tab: Page, script: string) => z.unknown().parse(await tab.evaluate(script));

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
  const HARBOUR = "agency_id = 'a0000000-0000-4000-8000-000000000001'";
  const JOBS = "public.historical_sync_jobs";
  /** Runs a check while the importing agency's active job is another; puts the seed's back. */
  const withJob = async (columns: Record<string, string>, check: () => Promise<void>) => {
    await stack.sql(`create table private.jobs as select * from ${JOBS} where ${HARBOUR}`);
    try {
      const set = Object.entries(columns).map(([column, value]) => `${column} = ${value}`).join();
      if (set) await stack.sql(`update ${JOBS} set ${set} where ${HARBOUR} and status = 'in_progress'`);
      await check();
    } finally {
      await stack.sql(`delete from ${JOBS} where ${HARBOUR}`);
      await stack.sql(`insert into ${JOBS} select * from private.jobs`);
      await stack.sql("drop table private.jobs");
    }
  };

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
}
