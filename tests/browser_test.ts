/** The example page in a real browser: headless Chromium, on the local stack, cross-origin. */

import assert from "node:assert/strict";
import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { z } from "zod";
import { startDemoWorker } from "../local/demo_worker.ts";
import { DEMO_USERS, startPage } from "../local/page.ts";
import { FUNCTION_PATH, startStack } from "../local/stack.ts";
import { test, until } from "../testing/helpers.ts";

/** Starts the browser that CHROMIUM names, or else Debian's Chromium, Chrome or Edge, whichever there is. */
async function launch(): Promise<Browser | undefined> {
  const named = Deno.env.get("CHROMIUM");
  const browsers = named
    ? [{ executablePath: named }]
    : [{ executablePath: "/usr/bin/chromium" }, { channel: "chrome" }, { channel: "msedge" }];
  for (const browser of browsers) {
    try {
      return await chromium.launch({
        ...browser,
        // Whoever ends this process ends it: Playwright would close the browser first, and go on.
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
        args: [
          "--no-sandbox",
          "--disable-gpu",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
        ],
      });
    } catch (error) {
      if (named) throw error;
    }
  }
  console.log(
    "browser_test.ts is left out: there is no Chromium, Chrome or Edge. On Debian: apt-get install chromium; else CHROMIUM=<path>.",
  );
}

/** Headless Chromium shows every tab; this is what a page is told when its tab is hidden. */
async function setVisibility(tab: Page, state: "hidden" | "visible"): Promise<void> {
  await tab.evaluate(
    `Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "${state}" });
     document.dispatchEvent(new Event("visibilitychange"))`,
  );
}

const browser = await launch();
if (browser) {
  const stack = await startStack();
  /** What arrives for the function, by method: a proxy sees the preflights that a page cannot. */
  const arrived: string[] = [];
  const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === FUNCTION_PATH) arrived.push(request.method);
    return fetch(new Request(stack.url + pathname + search, request))
      .catch(() => new Response(null, { status: 502 }));
  });
  const page = await startPage(`http://127.0.0.1:${proxy.addr.port}`);
  Deno.test.afterAll(async () => {
    await browser.close();
    await page.stop();
    await proxy.shutdown();
    await stack.stop();
  });

  const inBrowser = (sentence: string, check: (tab: Page, context: BrowserContext) => Promise<void>) =>
    test(sentence, async () => {
      const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Berlin" });
      const tab = await context.newPage();
      tab.setDefaultTimeout(20_000);
      try {
        await tab.goto(page.url);
        await tab.locator("button:enabled").waitFor();
        await check(tab, context);
      } finally {
        await context.close();
      }
    });

  const signIn = async (tab: Page, email: string) => {
    await tab.getByLabel("Demo user").selectOption(email);
    await tab.getByRole("button", { name: "Sign in" }).click();
  };
  const title = (tab: Page, text: string) => tab.getByRole("heading", { name: text }).waitFor();
  const withoutViolations = async (tab: Page) => {
    await tab.evaluate(axe.source);
    const found: unknown = await tab.evaluate(
      "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))",
    );
    assert.deepEqual(z.array(z.string()).parse(found), []);
  };

  const SEES: Record<string, string> = {
    "importing@example.com": "The import is running",
    "finished@example.com": "The last import is complete",
    "new@example.com": "Nothing has been imported yet",
    "nobody@example.com": "Your user belongs to no agency",
  };
  for (const { email } of DEMO_USERS) {
    inBrowser(`the page shows ${email}: ${SEES[email]}`, async (tab) => {
      await signIn(tab, email);
      await title(tab, SEES[email] ?? "");
    });
  }

  inBrowser(
    "an active job has a labelled progress bar, its counts, and dates in the reader's locale",
    async (tab) => {
      await signIn(tab, "importing@example.com");
      const bar = tab.getByRole("progressbar", { name: "50 % done" });
      await bar.waitFor();
      assert.equal(await bar.getAttribute("value"), "50");
      const text = await tab.locator("#card").innerText();
      assert.match(text, /1 Jan 2025 to 1 Mar 2025/);
      assert.match(text, /Started 15 Mar 2025, 11:00/, "in the reader's time zone");
      assert.match(text, /Total\s+1,500\s+Processed\s+750\s+Imported\s+720\s+Skipped\s+25\s+Failed\s+5/);
      assert.match(text, /seems stalled: no activity since 15 Mar 2025/);
    },
  );

  inBrowser("axe-core finds no violation, in light and in dark, on a desk and on a phone", async (tab) => {
    await withoutViolations(tab);
    for (const email of ["importing@example.com", "finished@example.com"]) {
      await signIn(tab, email);
      await title(tab, SEES[email] ?? "");
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

  inBrowser("the page works with the keyboard alone", async (tab) => {
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("ArrowDown");
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("Enter");
    await title(tab, "The last import is complete");
  });

  inBrowser("after the first preflight each poll is one request", async (tab) => {
    await stack.sql(
      "update public.historical_sync_jobs set started_at = now(), last_activity_at = now() where status = 'in_progress'",
    );
    arrived.length = 0;
    await signIn(tab, "importing@example.com");
    await until(() => arrived.length >= 4, 10_000);
    assert.deepEqual(arrived, ["OPTIONS", "GET", "GET", "GET"]);
  });

  inBrowser("a hidden tab does not poll, and a shown one does at once", async (tab) => {
    await signIn(tab, "importing@example.com");
    await title(tab, "The import is running");
    await setVisibility(tab, "hidden");
    const before = arrived.length;
    // Longer than two polls would be apart.
    await tab.waitForTimeout(5_000);
    assert.equal(arrived.length, before);
    await setVisibility(tab, "visible");
    await until(() => arrived.length > before);
  });

  inBrowser(
    "when the function is gone the page says so and keeps what it shows, and recovers by itself",
    async (tab) => {
      await signIn(tab, "importing@example.com");
      await title(tab, "The import is running");
      await stack.function.stop();
      await tab.getByText("The service is unreachable").first().waitFor();
      assert(await tab.getByRole("progressbar").isVisible(), "the last status still stands");
      await title(tab, "The import is running");
      await stack.restartFunction();
      await tab.getByText("The service is unreachable").first().waitFor({ state: "hidden" });
      await title(tab, "The import is running");
    },
  );

  inBrowser("when the session is over the page asks to sign in again", async (tab) => {
    await signIn(tab, "importing@example.com");
    await title(tab, "The import is running");
    await stack.sql("delete from auth.sessions");
    await title(tab, "Your session is over. Please sign in again.");
  });

  // Last: it moves the seeded job on.
  inBrowser("the bar moves to its end, and the result appears", async (tab) => {
    await signIn(tab, "importing@example.com");
    await tab.getByRole("progressbar", { name: "50 % done" }).waitFor();
    await tab.setViewportSize({ width: 640, height: 560 });
    const worker = startDemoWorker(stack.url, 100);
    try {
      await tab.waitForFunction("document.querySelector('progress').value > 50");
      if (Deno.env.has("SCREENSHOT")) await tab.screenshot({ path: Deno.env.get("SCREENSHOT") });
      await title(tab, "The last import is complete");
    } finally {
      await worker.stop();
    }
    assert.match(await tab.locator("#card").innerText(), /Processed\s+1,500/);
  });
}
