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

/** When each tab is opened: the seeded job has just begun. */
const NOW = "Sat, 15 Mar 2025 10:00:00 GMT";

const job = (title: string, done: string, facts: string) =>
  `${title} | Calls from 1 Jan 2025 to 1 Mar 2025 | ${done} calls | ` +
  `Imported | 720 | Skipped | 25 | Failed | 5 | ${facts}`;
const RUNNING = `${IMPORTING} | The import is running`;
const STALLED = `${RUNNING} | The import seems stalled: no activity since 15 Mar 2025, 10:05.`;
const HALF = "50% done: 750 of 1,500";
const STARTED = "Started 15 Mar 2025, 11:00.";
const REQUESTED = "Requested 15 Mar 2025, 10:59. | Start import";
const UNREACHABLE = "The service is unreachable. Trying again …";

/** What each user of the seed sees. */
const SEEN: Record<string, string> = {
  [IMPORTING]: job(RUNNING, HALF, `${STARTED} 5 minutes left.`),
  [FINISHED]: `${FINISHED} | ✓ Last import: completed | Calls from 1 Jan 2025 to 1 Mar 2025 | ` +
    "Processed 1,500 of 1,500 calls | Imported | 1,450 | Skipped | 40 | Failed | 10 | " +
    "Requested 14 Mar 2025, 11:00. | Start import",
  [NEW]: `${NEW} | Nothing has been imported yet | Start import`,
  "nobody@example.com": "nobody@example.com | Your user belongs to no agency",
};

/** What the importing user sees after a change of the job. */
const AFTER = {
  "total_calls = null": job(RUNNING, "Processed 750", STARTED),
  "total_calls = 501, processed_calls = 636": job(RUNNING, "99% done: 636 of about 501", STARTED),
  "started_at = '2025-03-13T08:00:00Z', last_activity_at = '2025-03-15T10:00:00Z'": //
    job(RUNNING, HALF, "Started 13 Mar 2025, 09:00. 50 hours left."),
  "started_at = '2025-03-15T09:00:00Z', last_activity_at = '2025-03-15T09:05:00Z'": //
    job(STALLED, HALF, "Started 15 Mar 2025, 10:00."),
  "status = 'failed'": job(`${IMPORTING} | ✕ Last import: failed`, "Processed 750 of 1,500", REQUESTED),
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
  const change = (columns: string) => stack.sql(`update ${JOBS} set ${columns} where status = 'in_progress'`);

  /** Methods and paths, those of preflights too. */
  let arrived: string[] = [];
  const count = (line: string) => arrived.filter((each) => each === line).length;
  /** Requests to these paths get a 503. */
  let down: RegExp | undefined;
  /** Requests to these paths wait until this changes. */
  let held: RegExp | undefined;
  const outage = () => new Response(null, { status: 503, headers: { "Access-Control-Allow-Origin": "*" } });
  const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    arrived.push(`${request.method} ${pathname}`);
    if (request.method !== "OPTIONS") {
      await until(() => !held?.test(pathname));
      if (down?.test(pathname)) return outage();
    }
    const forwarded = new Request(stack.url + pathname + search, request);
    const { status, headers, body } = await fetch(forwarded).catch(outage);
    return new Response(body, { status, headers: { ...Object.fromEntries(headers), date: NOW } });
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
    await tab.clock.install({ time: NOW });
    await tab.goto(page.url);
    return tab;
  };
  const read = async (tab: Page) => {
    const texts = await tab.locator("#message, #email, #card").filter({ visible: true }).allInnerTexts();
    return texts.join("\n").trim().replace(/\s*\n\s*/g, " | ");
  };
  const inBrowser = (sentence: string, check: (tab: Page, context: BrowserContext) => Promise<void>) =>
    test(sentence, async () => {
      const context = await browser.newContext({ locale: "de-DE", timezoneId: "Europe/Berlin" });
      arrived = [];
      try {
        await check(await open(context), context);
      } finally {
        down = held = undefined;
        await context.close();
        await putJobsBack();
      }
    });

  /** Waits for a condition, while the page polls as a tab that is shown again. */
  const poll = (tab: Page, condition: () => boolean | Promise<boolean>) =>
    until(async () => {
      await tab.clock.fastForward(100);
      await tab.evaluate(`document.dispatchEvent(new Event("visibilitychange"))`);
      return await condition();
    });
  /** Waits until the page shows this and nothing else. */
  const shows = (tab: Page, due = "", isDue = (seen: string) => seen === due) =>
    poll(tab, async () => isDue(await read(tab))).catch(async () => assert.equal(await read(tab), due));
  const says = (tab: Page, text: string) => shows(tab, text, (seen) => seen.includes(text));
  const signIn = async (tab: Page, email: string, due = SEEN[email]) => {
    await tab.getByLabel("Demo user").selectOption(email);
    await tab.getByRole("button", { name: "Sign in" }).click();
    await shows(tab, due);
  };
  const signOut = (tab: Page) => tab.getByRole("button", { name: "Sign out" }).click();

  /** Asserts that one button at most is filled, axe finds nothing and nothing sticks out. */
  const looksRight = async (tab: Page) => {
    assert.ok(await tab.locator(".primary:visible").count() < 2);
    await tab.evaluate(axe.source);
    const looks = [[320, "100%", "light"], [360, "200%", "dark"], [1280, "100%", "dark"]] as const;
    for (const [width, text, colorScheme] of looks) {
      await tab.emulateMedia({ colorScheme });
      await tab.setViewportSize({ width, height: 800 });
      const wrong = await tab.evaluate(`document.documentElement.style.fontSize = "${text}";
        axe.run().then(({ violations }) => [
          ...violations.map(({ id, nodes }) => id + ": " + nodes[0].html),
          ...[...document.querySelectorAll("body :not(#news, option)")].filter((each) =>
            each.getBoundingClientRect().right > innerWidth || each.clientWidth && each.scrollWidth > each.clientWidth
          ).map(({ outerHTML }) => outerHTML)
        ])`);
      assert.deepEqual(wrong, [], `${width} px, text of ${text}, ${colorScheme}`);
    }
  };

  inBrowser("each user and state of a job is shown, and no other", async (tab) => {
    for (const email of Object.keys(SEEN)) {
      await signIn(tab, email);
      await looksRight(tab);
      await signOut(tab);
      await shows(tab, "You are signed out.");
    }
    await signIn(tab, IMPORTING);
    for (const [columns, due] of Object.entries(AFTER)) {
      await change(columns);
      await shows(tab, due);
      await looksRight(tab);
      await putJobsBack();
    }
  });

  inBrowser("an import started by keyboard is shown to its end, and keeps the focus", async (tab) => {
    await shows(tab, "Please sign in.");
    for (const key of ["Tab", "n", "Tab", "Enter"]) await tab.keyboard.press(key);
    await shows(tab, SEEN[NEW]);
    const withRequest = (text: string) => SEEN[NEW]?.replace("| Start", `| ${text} | Start`);
    down = /user$/;
    for (const key of ["Tab", "Enter"]) await tab.keyboard.press(key);
    await shows(tab, withRequest("The import could not be started. Please try again."));
    arrived = [];
    [down, held] = [undefined, down];
    for (let times = 0; times < 3; times++) await tab.keyboard.press("Enter");
    // By the second poll the first has been answered.
    await poll(tab, () => count(`GET ${FUNCTION_PATH}`) > 1);
    await shows(tab, withRequest("Starting the import …"));
    await looksRight(tab);
    held = undefined;
    await says(tab, "The import is about to start");
    await looksRight(tab);
    assert.equal(count("GET /auth/v1/user"), 1, "three clicks sent one request");
    const worker = startDemoWorker(stack, 50);
    await says(tab, "Last import: completed").finally(worker.stop);
    assert.equal(await tab.locator(":focus").getAttribute("id"), "card");
  });

  inBrowser("in an outage the page says so, also when opened", async (tab) => {
    down = /functions/;
    await signIn(tab, FINISHED, `${FINISHED} | Looking for an import … | ${UNREACHABLE}`);
    await looksRight(tab);
    down = undefined;
    await shows(tab, SEEN[FINISHED]);
    down = /functions/;
    await shows(tab, SEEN[FINISHED]?.replace("| Calls", `| ${UNREACHABLE} | Calls`));
    // By then the token has expired.
    await tab.clock.fastForward(63_072_000_000);
    down = /auth/;
    await tab.reload();
    await shows(tab, "The service is slow or unreachable. Trying again …");
    await looksRight(tab);
    down = undefined;
    await shows(tab, SEEN[FINISHED]);
  });

  inBrowser("a session that is over is forgotten, and one sign-in begins the next", async (tab) => {
    await signIn(tab, IMPORTING);
    await stack.sql("delete from auth.sessions");
    await shows(tab, "Your session is over. Please sign in again.");
    await until(async () => await tab.evaluate("localStorage.length") === 0);
    down = /token/;
    await signIn(tab, FINISHED, `${FINISHED} could not sign in. Please try again.`);
    arrived = [];
    [down, held] = [undefined, down];
    for (const email of [FINISHED, NEW]) await signIn(tab, email, "Signing in …");
    await looksRight(tab);
    held = undefined;
    await shows(tab, SEEN[FINISHED]);
    assert.equal(count("POST /auth/v1/token"), 1);
  });

  inBrowser("a sign-in or sign-out in one tab shows in every tab", async (tab, context) => {
    await signIn(tab, IMPORTING);
    const other = await open(context);
    await shows(other, SEEN[IMPORTING]);
    await signOut(other);
    await shows(tab, "You are signed out.");
    await signIn(other, FINISHED);
    await shows(tab, SEEN[FINISHED]);
  });

  inBrowser("a screen reader hears each tenth of the progress, and the end", async (tab) => {
    await signIn(tab, IMPORTING);
    assert.equal(await tab.getByRole("progressbar", { name: HALF }).getAttribute("value"), "50");
    const said: string[] = [];
    await tab.exposeFunction("said", (text: string) => void said.push(text));
    await tab.evaluate(`for (const region of document.querySelectorAll("[role=status]")) {
      new MutationObserver(() => said(region.textContent)).observe(region, { childList: true });
    }`);
    for (const processed of [755, 800, 905]) {
      await change(`processed_calls = ${processed}`);
      await says(tab, `${processed} of 1,500 calls`);
    }
    await change("status = 'completed'");
    await says(tab, "Last import: completed");
    assert.deepEqual(said, ["The import is running: 60% done", "Last import: completed"]);
    assert.equal(count(`OPTIONS ${FUNCTION_PATH}`), 1, "one preflight for all polls");
  });
}
