/** What is copied for React in a real browser, under StrictMode. */

import assert from "node:assert/strict";
import type { Page, Route } from "playwright-core";
import type { ErrorCode } from "../examples/client/types.ts";
import { deno, pathOf } from "../local/commands.ts";
import { launch } from "./support/browser.ts";
import { ACTIVE_EXAMPLE, IDLE_EXAMPLE, test, until } from "./support/helpers.ts";

const PAGE = "http://localhost/page";

/** When the tests begin by the page's clock: the example's job was active a moment ago, and is polled every 3 s. */
const NOW = Date.parse("2025-03-15T10:05:01Z");

/** Answers of the function. */
const at = (percent: number) => () =>
  new Response(ACTIVE_EXAMPLE.replace('"progress_percent": 50', `"progress_percent": ${percent}`));
const refusal = (status: number, code: ErrorCode) => () => Response.json({ error: "…", code }, { status });

const browser = await launch("what is copied for React, in a browser");
if (browser) {
  // Not minified: React for development, whose StrictMode mounts twice.
  const entrypoint = pathOf("./support/react_page.tsx", import.meta.url);
  const script = await deno(["bundle", "--quiet", "--platform", "browser", entrypoint]);
  const body = `<!doctype html><body></body><script type="module">${script}</script>`;
  Deno.test.afterAll(() => browser.close());

  /** How many polls have left. */
  let polls = 0;
  /** What answers a poll, and what a refresh. */
  let answer: () => Response | Promise<Response>;
  let refresh: typeof answer;

  const reply = async (route: Route) => {
    const { pathname } = new URL(route.request().url());
    const isPoll = pathname.endsWith("/get-sync-status");
    if (isPoll) polls++;
    const response = isPoll ? await answer() : pathname.endsWith("/token") ? await refresh() : new Response();
    const headers = { ...Object.fromEntries(response.headers), "Access-Control-Allow-Origin": "*" };
    await route.fulfill({ status: response.status, body: await response.text(), headers });
  };

  const onPage = (sentence: string, check: (tab: Page) => Promise<void>) =>
    test(sentence, async () => {
      const tab = await browser.newPage();
      tab.setDefaultTimeout(20_000);
      polls = 0;
      answer = at(50);
      refresh = () => new Response(null, { status: 429 });
      try {
        // Time passes on the page only when a test lets it, and until it is paused: hence the hour.
        await tab.clock.install({ time: NOW - 3_600_000 });
        await tab.clock.pauseAt(NOW);
        await tab.route("**", reply);
        await tab.route(PAGE, (route) => route.fulfill({ body, contentType: "text/html" }));
        await tab.goto(PAGE);
        await check(tab);
      } finally {
        await tab.close();
      }
    });
  const show = (tab: Page, whatToWhom: string) => tab.getByRole("textbox").fill(whatToWhom);
  const shows = (tab: Page, text: string, times = 1) =>
    until(async () => {
      // TanStack Query renders by a timer.
      await tab.clock.runFor(1);
      return await tab.getByText(text, { exact: true }).count() === times;
    });
  /** Lets so many seconds pass on the page, with time in between for what it sends to be answered. */
  const pass = async (tab: Page, seconds: number) => {
    for (let left = seconds; left > 0; left -= 10) {
      await tab.clock.runFor(Math.min(left, 10) * 1_000);
      await tab.evaluate("fetch('/').then((response) => response.text())");
    }
  };
  const pollsNothing = async (tab: Page) => {
    const before = polls;
    await pass(tab, 600);
    assert.equal(polls, before);
  };

  onPage("after the end of a session the hook polls nothing until somebody asks or signs in", async (tab) => {
    await show(tab, "hook ann");
    await shows(tab, "ann: 50 %, no problem");
    answer = refusal(401, "unauthorized");
    await pass(tab, 4);
    await shows(tab, "ann: no status, signed_out");
    await pollsNothing(tab);
    answer = at(70);
    await tab.getByRole("button", { name: "Poll" }).click();
    await shows(tab, "ann: 70 %, no problem");
    await show(tab, "hook bob");
    await shows(tab, "bob: 70 %, no problem");
  });

  onPage("another user sees nothing of the one before, not even an answer that comes late", async (tab) => {
    await show(tab, "hook ann");
    await shows(tab, "ann: 50 %, no problem");
    // It comes right after React has put the next user on the page, before it runs effects.
    await tab.evaluate(`{
      const { fetch } = window;
      const main = document.querySelector("main");
      const onChange = (call) =>
        new MutationObserver(call).observe(main, { subtree: true, childList: true, characterData: true });
      window.fetch = () => new Promise((resolve) => {
        window.fetch = fetch;
        onChange(() => resolve({ status: 200, json: async () => (${ACTIVE_EXAMPLE}) }));
        document.title = "asked";
      });
      window.frames = [];
      onChange(() => frames.push(main.querySelector("p").innerText));
    }`);
    await tab.clock.runFor(4_000);
    await until(async () => await tab.title() === "asked");
    answer = at(80);
    await show(tab, "hook bob");
    await shows(tab, "bob: 80 %, no problem");
    assert.deepEqual(await tab.evaluate("frames"), ["bob: no status, no problem", "bob: 80 %, no problem"]);
  });

  onPage("what is no longer mounted ends its poll, and makes no other", async (tab) => {
    answer = () => new Promise(() => {});
    for (const what of ["hook", "query"]) {
      const before = polls;
      await show(tab, `${what} ann`);
      await until(() => polls > before);
      const ended = tab.waitForEvent("requestfailed", (request) => request.url().endsWith("-status"));
      await show(tab, "");
      await ended;
      await pollsNothing(tab);
    }
  });

  onPage("with TanStack Query components share the status of one watch, and its problems", async (tab) => {
    await show(tab, "query ann");
    await shows(tab, "ann: 50 %, no problem", 2);
    answer = refusal(500, "internal_error");
    await pass(tab, 4);
    await shows(tab, "ann: 50 %, unreachable", 2);
    answer = refusal(403, "forbidden");
    await pass(tab, 10);
    await shows(tab, "ann: no status, forbidden", 2);
  });

  onPage(
    "with TanStack Query another user, and the next session of the same one, begin with nothing",
    async (tab) => {
      answer = refusal(401, "unauthorized");
      await show(tab, "query ann");
      await shows(tab, "ann: no status, signed_out", 2);
      answer = () => new Promise(() => {});
      for (const user of ["bob", "ann"]) {
        await show(tab, `query ${user}`);
        await shows(tab, `${user}: no status, no problem`, 2);
      }
      answer = at(70);
      await show(tab, "query bob");
      await shows(tab, "bob: 70 %, no problem", 2);
    },
  );

  onPage("the example asks for a sign-in at the end of a session, not in an outage", async (tab) => {
    await show(tab, "example");
    await shows(tab, "Please sign in.");
    const key = "sb-project-ref-auth-token";
    const session = { access_token: "token", refresh_token: "r", expires_in: 3_600, user: { id: "ann" } };
    const expired = JSON.stringify({ ...session, expires_at: NOW / 1_000 - 1 });
    await tab.evaluate(`localStorage.setItem("${key}", '${expired}')`);
    await tab.reload();
    await show(tab, "example");
    for (let seconds = 0; seconds < 120; seconds += 10) {
      await pass(tab, 10);
      assert.equal(await tab.locator("main").innerText(), "Loading …");
    }
    answer = () => new Response(IDLE_EXAMPLE);
    refresh = () => Response.json(session);
    await pass(tab, 95);
    await shows(tab, "Last import: completed");
    answer = at(50);
    await tab.getByRole("button", { name: "Start an import" }).click();
    await pass(tab, 2);
    await tab.getByRole("progressbar", { name: "Import" }).waitFor();
    answer = refusal(500, "internal_error");
    await pass(tab, 16);
    await shows(tab, "The service is unreachable.");
    assert.equal(await tab.getByRole("progressbar").getAttribute("value"), "50");
    answer = at(50);
    await pass(tab, 60);
    await shows(tab, "The import seems stalled.");
    answer = refusal(401, "unauthorized");
    refresh = () => Response.json({ error_code: "refresh_token_not_found" }, { status: 400 });
    await pass(tab, 60);
    await shows(tab, "Please sign in.");
    assert.equal(await tab.evaluate(`localStorage.getItem("${key}")`), null);
  });
}
