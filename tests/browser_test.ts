/** The example page in a real browser: headless Chromium, on the local stack, cross-origin. */

import assert from "node:assert/strict";
import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";
import { startDemoWorker } from "../local/demo_worker.ts";
import { startPage } from "../local/page.ts";
import { FUNCTION_PATH, startStack } from "../local/stack.ts";
import { launch } from "./support/browser.ts";
import { test, until } from "./support/helpers.ts";

const IMPORTING = "importing@example.com";
const FINISHED = "finished@example.com";
const NEW = "new@example.com";

/** When each tab is opened by its own clock. The browser is a German one, in Berlin. */
const NOW = "2025-03-15T10:00:00Z";

const PERIOD = "Calls from 1 Jan 2025 to 1 Mar 2025";
const HALF = "Processed 750 of 1,500 calls: 720 imported, 25 skipped, 5 failed. | Start import";
const UNCOUNTED = HALF.replace(" of 1,500", "");
const NONE = "Processed 0 calls: 0 imported, 0 skipped, 0 failed. | Start import";
const PENDING = `${PERIOD} | Waiting for its turn | ${NONE}`;
const REQUESTED = `${IMPORTING} | ${PERIOD} | Requested 15 Mar 2025, 10:59.`;
const RETRY = "Next try in N seconds. | Try now";

/** The whole text of the page, line by line, for each user of the seed. */
const SEEN: Record<string, string> = {
  [IMPORTING]: `The import is running | ${IMPORTING} | ${PERIOD} | 50% done | Started 15 Mar 2025, 11:00. ` +
    `5 minutes left. Calls per minute: 150. | ${HALF}`,
  [FINISHED]: `The last import is complete | ${FINISHED} | ${PERIOD} | Requested 14 Mar 2025, 11:00. | ` +
    "Processed 1,500 of 1,500 calls: 1,450 imported, 40 skipped, 10 failed. | Start import",
  [NEW]: `Nothing has been imported yet | ${NEW} | Start import`,
  "nobody@example.com": "Your user belongs to no agency | nobody@example.com",
};

const OUTDATED = "The service is unreachable. What is shown may be out of date.";
const IN_OUTAGE = SEEN[IMPORTING]?.replace(PERIOD, `${OUTDATED} | ${RETRY} | ${PERIOD}`);

/** The same of the importing user, after a change of the active job's columns. */
const AFTER = {
  [
    `status = 'pending', started_at = null, last_activity_at = null, total_calls = null,
    processed_calls = 0, imported_calls = 0, skipped_calls = 0, failed_calls = 0`
  ]: `The import is about to start | ${IMPORTING} | ${PENDING}`,
  "total_calls = null, last_activity_at = null": `The import is running | ${IMPORTING} | ${PERIOD} | ` +
    `Counting the calls | Started 15 Mar 2025, 11:00. | ${UNCOUNTED}`,
  "started_at = '2025-03-13T08:00:00Z', last_activity_at = '2025-03-15T10:00:00Z'":
    `The import is running | ${IMPORTING} | ${PERIOD} | 50% done | Started 13 Mar 2025, 09:00. ` +
    `50 hours left. Calls per minute: 0.25. | ${HALF}`,
  "started_at = '2025-03-15T09:00:00Z', last_activity_at = '2025-03-15T09:05:00Z'":
    `The import is running | ${IMPORTING} | The import seems stalled: no activity since 15 Mar 2025, 10:05. | ` +
    `${PERIOD} | 50% done | Started 15 Mar 2025, 10:00. | ${HALF}`,
  "status = 'failed'": `The last import failed | ${REQUESTED} | ${HALF}`,
  "status = 'cancelled', total_calls = null": `The last import was cancelled | ${REQUESTED} | ${UNCOUNTED}`,
};

const browser = await launch("the page in a browser");
if (browser) {
  const stack = await startStack();
  const JOBS = "public.historical_sync_jobs";
  await stack.sql(`create table private.jobs as select * from ${JOBS}`);
  const putJobsBack = async () => {
    await stack.sql(`delete from ${JOBS}`);
    await stack.sql(`insert into ${JOBS} select * from private.jobs`);
  };
  const changeJob = (columns: string) =>
    stack.sql(`update ${JOBS} set ${columns} where status = 'in_progress'`);

  /** What arrives, by method and path: a proxy sees the preflights that a page cannot. */
  let arrived: string[] = [];
  const count = (line: string) => arrived.filter((each) => each === line).length;
  const polls = () => count(`GET ${FUNCTION_PATH}`);
  /** What becomes of requests to these paths as long as it lasts: a 503, or they are held. */
  let fault: { paths: RegExp; held?: boolean } | undefined;
  const down = () => new Response(null, { status: 503, headers: { "Access-Control-Allow-Origin": "*" } });
  const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    arrived.push(`${request.method} ${pathname}`);
    const isMet = () => request.method !== "OPTIONS" && fault?.paths.test(pathname);
    await until(() => !(isMet() && fault?.held));
    if (isMet()) return down();
    return await fetch(new Request(stack.url + pathname + search, request)).catch(down);
  });
  const page = await startPage({ url: `http://127.0.0.1:${proxy.addr.port}`, sql: stack.sql });
  Deno.test.afterAll(async () => {
    await browser.close();
    await page.stop();
    await proxy.shutdown();
    await stack.stop();
  });

  const open = async (context: BrowserContext): Promise<Page> => {
    const tab = await context.newPage();
    tab.setDefaultTimeout(20_000);
    await tab.clock.install({ time: NOW });
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
        await putJobsBack();
      }
    });

  /** Has the page poll until a condition is true: a tab that is shown again does, every 2 s at most. */
  const nudging = (tab: Page) => (condition: () => boolean | Promise<boolean>) => {
    let nudgedAt = 0;
    return until(async () => {
      if (performance.now() - nudgedAt > 100) {
        nudgedAt = performance.now();
        await tab.clock.fastForward(2_000);
        await tab.evaluate(`document.dispatchEvent(new Event("visibilitychange"))`);
      }
      return await condition();
    });
  };
  const comesToSay = (tab: Page, id: string, text: string) =>
    nudging(tab)(async () => await tab.locator(`#${id}`).innerText() === text);
  /** Asserts that the page shows this and nothing else, as soon as it does. */
  const shows = async (tab: Page, due = "", wait: ReturnType<typeof nudging> = until) => {
    let seen = "";
    await wait(async () => {
      const texts = await tab.locator("#sign-in-status, #card:not([hidden])").allInnerTexts();
      const lines = texts.join("\n").split("\n").map((line) => line.trim()).filter(Boolean);
      seen = lines.join(" | ").replace(/\d+ seconds?\./, "N seconds.");
      return seen === due;
    }).catch(() => assert.equal(seen, due));
  };
  const showsSoon = (tab: Page, due?: string) => shows(tab, due, nudging(tab));
  const signIn = async (tab: Page, email: string) => {
    await tab.getByLabel("Demo user").selectOption(email);
    await tab.getByRole("button", { name: "Sign in" }).click();
  };
  const signedIn = async (tab: Page, email: string) => {
    await signIn(tab, email);
    await shows(tab, SEEN[email]);
  };
  const focus = (tab: Page) => tab.locator(":focus").innerText();
  /** What the live regions say from now on. */
  const listen = async (tab: Page): Promise<string[]> => {
    const said: string[] = [];
    await tab.exposeFunction("said", (text: string) => void said.push(text));
    await tab.evaluate(`for (const region of document.querySelectorAll("[role=status]")) {
      new MutationObserver(() => said(region.textContent)).observe(region, { childList: true });
    }`);
    return said;
  };

  /** axe finds nothing in either colour scheme, and nothing sticks out: on a desk, on a phone, with large text. */
  const looksRight = async (tab: Page) => {
    await tab.evaluate(axe.source);
    for (const colorScheme of ["light", "dark"] as const) {
      await tab.emulateMedia({ colorScheme });
      const found = await tab.evaluate(`axe.run().then(({ violations }) => {
        const { Color, getContrast } = axe.commons.color;
        const { borderTopColor, backgroundColor } = getComputedStyle(document.querySelector("select"));
        const [line, ground] = [borderTopColor, backgroundColor].map((css) => new Color().parseString(css));
        if (getContrast(ground, line) < 3) violations.push({ id: "border of the select", nodes: [{}] });
        return violations.map(({ id, nodes }) => id + ": " + nodes[0].html);
      })`);
      assert.deepEqual(found, [], colorScheme);
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

  inBrowser("the page shows each demo user their status, and nothing of the user before", async (tab) => {
    await looksRight(tab);
    for (const email of [...Object.keys(SEEN), ...Object.keys(SEEN).toReversed()]) {
      await signedIn(tab, email);
      await looksRight(tab);
    }
  });

  inBrowser("the page shows each state of a job, and nothing of the state before", async (tab) => {
    await signedIn(tab, IMPORTING);
    for (const [columns, due] of Object.entries(AFTER)) {
      await changeJob(columns);
      await showsSoon(tab, due);
      await looksRight(tab);
      await putJobsBack();
      await showsSoon(tab, SEEN[IMPORTING]);
    }
  });

  inBrowser("before the first status the page says why there is none", async (tab) => {
    fault = { paths: /functions/ };
    await signIn(tab, IMPORTING);
    await shows(tab, `Looking for an import … | ${IMPORTING} | The service is unreachable. | ${RETRY}`);
    await looksRight(tab);
    fault = { paths: /functions/, held: true };
    await signIn(tab, FINISHED);
    await shows(tab, `Looking for an import … | ${FINISHED}`);
    await looksRight(tab);
    fault = undefined;
    await shows(tab, SEEN[FINISHED]);
  });

  inBrowser("an import started with the keyboard is shown to its end, and the focus stays", async (tab) => {
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("n");
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("Enter");
    await shows(tab, SEEN[NEW]);
    await tab.keyboard.press("Tab");
    const card = (notice: string) => `Nothing has been imported yet | ${NEW} | ${notice} | Start import`;
    fault = { paths: /\/auth\/v1\/user/ };
    await tab.keyboard.press("Enter");
    await shows(tab, card("The import could not be started. Please try again."));
    arrived = [];
    fault = { paths: /\/auth\/v1\/user/, held: true };
    for (let times = 0; times < 3; times++) await tab.keyboard.press("Enter");
    await shows(tab, card("Starting the import …"));
    await looksRight(tab);
    // A poll meanwhile changes nothing: the second leaves when the first has been answered.
    const before = polls();
    await nudging(tab)(() => polls() > before + 1);
    await shows(tab, card("Starting the import …"));
    fault = undefined;
    await showsSoon(tab, `The import is about to start | ${NEW} | ${PENDING}`);
    assert.equal(count("GET /auth/v1/user"), 1, "three clicks sent one request");
    const worker = startDemoWorker(stack, 50);
    try {
      await comesToSay(tab, "title", "The import is running");
      await comesToSay(tab, "title", "The last import is complete");
    } finally {
      await worker.stop();
    }
    assert.equal(await focus(tab), "Start import");
  });

  inBrowser("Try now polls and keeps the focus, and the count-down is silent", async (tab) => {
    await signedIn(tab, IMPORTING);
    fault = { paths: /functions/ };
    await showsSoon(tab, IN_OUTAGE);
    await looksRight(tab);
    await tab.getByRole("button", { name: "Try now" }).focus();
    const said = await listen(tab);
    const countdown = tab.locator("#countdown");
    const before = await countdown.innerText();
    await tab.clock.fastForward(2_000);
    await until(async () => await countdown.innerText() !== before);
    assert.deepEqual(said, []);
    const polled = polls();
    await tab.keyboard.press("Enter");
    await until(() => said.length === 2 && polls() > polled);
    assert.deepEqual(said, ["Trying again …", OUTDATED]);
    assert.equal(await focus(tab), "Try now");
    fault = undefined;
    await showsSoon(tab, SEEN[IMPORTING]);
    assert.equal(await focus(tab), "The import is running");
  });

  inBrowser("a session that is over is forgotten, and the page asks to sign in again", async (tab) => {
    await signedIn(tab, IMPORTING);
    await stack.sql("delete from auth.sessions");
    await showsSoon(tab, "Your session is over. Please sign in again.");
    await looksRight(tab);
    await until(async () => await tab.evaluate("localStorage.length") === 0);
    await signedIn(tab, IMPORTING);
  });

  inBrowser("while a sign-in is under way there is no other", async (tab) => {
    fault = { paths: /\/auth\/v1\/token/, held: true };
    await signIn(tab, FINISHED);
    await shows(tab, "Signing in …");
    await looksRight(tab);
    // Playwright does not click what says that it is disabled; people do.
    await tab.getByLabel("Demo user").selectOption(NEW);
    await tab.getByRole("button", { name: "Sign in" }).press("Enter");
    fault = undefined;
    await shows(tab, SEEN[FINISHED]);
    assert.equal(count("POST /auth/v1/token"), 1);
  });

  inBrowser("a sign-in that fails offline ends no session", async (tab, context) => {
    await signedIn(tab, IMPORTING);
    await context.setOffline(true);
    await showsSoon(tab, IN_OUTAGE);
    await signIn(tab, FINISHED);
    const failed = `${FINISHED} could not sign in: the service is unreachable. Please try again.`;
    await shows(tab, `${failed} | ${IN_OUTAGE}`);
    await context.setOffline(false);
    await showsSoon(tab, `${failed} | ${SEEN[IMPORTING]}`);
  });

  inBrowser(
    "a page that is opened in an outage takes up its session later, or says that it is over",
    async (tab) => {
      await signedIn(tab, FINISHED);
      // Two years: by then the token has expired.
      await tab.clock.fastForward(63_072_000_000);
      for (const due of [SEEN[FINISHED], "Your session is over. Please sign in again."]) {
        fault = { paths: /auth/ };
        await tab.reload();
        await showsSoon(tab, "The service is unreachable. Trying again …");
        if (due !== SEEN[FINISHED]) await stack.sql("delete from auth.sessions");
        fault = undefined;
        await showsSoon(tab, due);
      }
    },
  );

  inBrowser("who signs in as another in one tab is shown in every tab", async (tab, context) => {
    await signedIn(tab, IMPORTING);
    const other = await open(context);
    // It takes up the session that the first one left.
    await shows(other, SEEN[IMPORTING]);
    await signedIn(other, FINISHED);
    for (const each of [tab, other]) await showsSoon(each, SEEN[FINISHED]);
  });

  inBrowser("a screen reader hears the title once, each tenth of the progress, and the end", async (tab) => {
    await signedIn(tab, IMPORTING);
    assert.equal(await tab.getByRole("progressbar", { name: "50% done" }).getAttribute("value"), "50");
    const said = await listen(tab);
    for (const processed of [755, 800, 905]) {
      await changeJob(`processed_calls = ${processed}`);
      await comesToSay(
        tab,
        "counts",
        `Processed ${processed} of 1,500 calls: 720 imported, 25 skipped, 5 failed.`,
      );
    }
    await changeJob("status = 'completed'");
    await comesToSay(tab, "title", "The last import is complete");
    assert.deepEqual(said, ["The import is running: 60% done", "The last import is complete"]);
    assert.equal(count(`OPTIONS ${FUNCTION_PATH}`), 1, "after the first preflight each poll is one request");
  });

  inBrowser("another origin may poll with headers of monitoring SDKs and of libraries", async (tab) => {
    const added = ["sentry-trace", "x-datadog-trace-id", "x-requested-with", "cache-control"];
    const headers = added.map((name) => [name, "1"]);
    headers.push(["Authorization", `Bearer ${await stack.signIn(IMPORTING)}`]);
    const poll = `fetch("${stack.functionUrl}", { headers: ${JSON.stringify(headers)} })`;
    assert.equal(await tab.evaluate(`${poll}.then(({ status }) => status)`), 200);
  });
}
