/** What is copied for React in a real browser, under StrictMode, against a server that answers as the function does. */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { ErrorCode, SyncStatus } from "../examples/client/types.ts";
import { deno, pathOf } from "../local/commands.ts";
import { launch } from "./support/browser.ts";
import { ACTIVE_EXAMPLE, IDLE_EXAMPLE, test, until } from "./support/helpers.ts";

/** When the tests begin by the page's clock: the example's job was active a moment ago, and is polled every 3 s. */
const NOW = Date.parse("2025-03-15T10:05:01Z");

const browser = await launch("what is copied for React, in a browser");
if (browser) {
  const entrypoint = pathOf("./support/react_page.tsx", import.meta.url);
  // Not minified: React for development, whose StrictMode mounts twice.
  const script = await deno(["bundle", "--quiet", "--platform", "browser", entrypoint]);
  const html = '<!doctype html><div id="root"></div><script src="page.js" type="module"></script>';

  /** Whose the polls are that arrived. */
  let polls: string[] = [];
  let inFlight = 0;
  let mostInFlight = 0;
  /** How many polls the page gave up before they were answered. */
  let givenUp = 0;
  /** Answers a poll. */
  let answer: () => Response | Promise<Response>;
  const at = (progress_percent: number) => () => {
    const body: SyncStatus = JSON.parse(ACTIVE_EXAMPLE);
    if (body.active) body.job.progress_percent = progress_percent;
    return Response.json(body);
  };
  /** The job is one per cent further at each poll. */
  const moves = () => at(49 + polls.length)();
  const idle = () => new Response(IDLE_EXAMPLE);
  const never = () => new Promise<Response>(() => {});
  const refusal = (status: number, code: ErrorCode) => () => Response.json({ error: "…", code }, { status });

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response(html, { headers: { "Content-Type": "text/html" } });
    if (pathname === "/page.js") {
      return new Response(script, { headers: { "Content-Type": "text/javascript" } });
    }
    if (pathname !== "/functions/v1/get-sync-status") return new Response("no such path", { status: 404 });
    polls.push(request.headers.get("Authorization")?.replace("Bearer ", "") ?? "");
    mostInFlight = Math.max(mostInFlight, ++inFlight);
    const gone = new Promise<Response>((resolve) =>
      request.signal.addEventListener("abort", () => {
        givenUp++;
        resolve(new Response());
      })
    );
    return await Promise.race([answer(), gone]).finally(() => inFlight--);
  });
  Deno.test.afterAll(async () => {
    await browser.close();
    await server.shutdown();
  });

  const onPage = (sentence: string, check: (tab: Page) => Promise<void>) =>
    test(sentence, async () => {
      const tab = await browser.newPage();
      tab.setDefaultTimeout(5_000);
      polls = [];
      inFlight = mostInFlight = givenUp = 0;
      answer = moves;
      try {
        // Time passes on the page only when a test lets it. Until it is paused, it passes there too.
        await tab.clock.install({ time: NOW - 3_600_000 });
        await tab.clock.pauseAt(NOW);
        await tab.goto(`http://127.0.0.1:${server.addr.port}`);
        await check(tab);
      } finally {
        await tab.close();
      }
    });
  const set = (tab: Page, label: string, value: string) => tab.getByLabel(label, { exact: true }).fill(value);
  const mount = async (tab: Page, what: string, user: string) => {
    await set(tab, "User", user);
    await set(tab, "Mounted", what);
  };
  const shows = (tab: Page, ...texts: string[]) =>
    Promise.all(texts.map((text) => tab.getByText(text, { exact: true }).first().waitFor()));
  /** Lets so many seconds pass on the page, with time in between for what it sends to be answered. */
  const pass = async (tab: Page, seconds: number) => {
    for (let left = seconds; left > 0; left -= 10) {
      await tab.clock.runFor(Math.min(left, 10) * 1_000);
      await tab.evaluate("fetch('/arrived').then((response) => response.text())");
    }
  };
  /** Writes down from now on what the page shows after each change: whose, and how far. */
  const recordFrames = (tab: Page) =>
    tab.evaluate(`{
      window.frames = [];
      const main = document.querySelector("main");
      new MutationObserver(() => frames.push(main.innerText.split(/\\n+/).slice(0, 2).join(": ")))
        .observe(main, { subtree: true, childList: true, characterData: true });
    }`);

  onPage(
    "the hook shows how a job moves on, an outage beside it, and its end",
    async (tab) => {
      await mount(tab, "hook", "ann");
      await shows(tab, "50 %", "2.5 calls per second");
      await pass(tab, 4);
      await shows(tab, "51 %");
      answer = refusal(500, "internal_error");
      await pass(tab, 4);
      await shows(tab, "51 %", "unreachable");
      answer = idle;
      await pass(tab, 60);
      await shows(tab, "no job", "no outlook", "no problem");
      assert.equal(mostInFlight, 1);
      const { length } = polls;
      await tab.getByRole("button", { name: "Poll" }).click();
      await until(() => polls.length === length + 1);
    },
  );

  onPage(
    "after the end of a session the hook polls nothing until somebody signs in",
    async (tab) => {
      await mount(tab, "hook", "ann");
      await shows(tab, "50 %");
      answer = refusal(401, "unauthorized");
      await pass(tab, 4);
      await shows(tab, "signed_out", "no status", "no outlook");
      await set(tab, "User", "");
      await shows(tab, "nobody", "no problem");
      await pass(tab, 600);
      assert.deepEqual(polls, ["token of ann", "token of ann", "fresh token of ann"]);
      answer = moves;
      await set(tab, "User", "ann");
      await shows(tab, "53 %");
    },
  );

  onPage("pollNow begins a new watch if the last one has ended by itself", async (tab) => {
    answer = refusal(403, "forbidden");
    await mount(tab, "hook", "ann");
    await shows(tab, "forbidden");
    answer = moves;
    await tab.getByRole("button", { name: "Poll" }).click();
    await shows(tab, "51 %", "no problem");
  });

  onPage(
    "another user ends the poll under way, and sees nothing of the one before",
    async (tab) => {
      await mount(tab, "hook", "ann");
      await shows(tab, "50 %");
      answer = never;
      await pass(tab, 4);
      await until(() => inFlight === 1);
      await recordFrames(tab);
      answer = at(80);
      await set(tab, "User", "bob");
      await shows(tab, "80 %");
      await until(() => givenUp === 1);
      await set(tab, "User", "");
      await shows(tab, "nobody");
      assert.deepEqual(await tab.evaluate("frames"), ["bob: no status", "bob: 80 %", "nobody: no status"]);
    },
  );

  onPage("an answer for the user before is not shown once another is on the page", async (tab) => {
    await mount(tab, "hook", "ann");
    await shows(tab, "50 %");
    // It comes right after React has put the next user on the page, before it runs effects.
    await tab.evaluate(`{
      const { fetch } = window;
      window.fetch = () => new Promise((resolve) => {
        window.fetch = fetch;
        new MutationObserver(() => resolve(Response.json(${ACTIVE_EXAMPLE})))
          .observe(document.querySelector("main"), { subtree: true, characterData: true });
        document.title = "asked";
      });
    }`);
    await tab.clock.runFor(4_000);
    await until(async () => await tab.title() === "asked");
    await recordFrames(tab);
    answer = at(80);
    await set(tab, "User", "bob");
    await shows(tab, "80 %");
    assert.deepEqual(await tab.evaluate("frames"), ["bob: no status", "bob: 80 %"]);
  });

  for (const what of ["hook", "query"]) {
    onPage(`what is no longer mounted ends its poll, and makes no other: ${what}`, async (tab) => {
      answer = never;
      await mount(tab, what, "ann");
      await until(() => inFlight === 1);
      await set(tab, "Mounted", "nothing");
      await until(() => inFlight === 0);
      const { length } = polls;
      await pass(tab, 600);
      assert.equal(polls.length, length);
    });
  }

  onPage("with TanStack Query components share the status of one watch, and its problems", async (tab) => {
    const bothShow = (text: string) =>
      until(async () => {
        // It renders by a timer.
        await tab.clock.runFor(1);
        return await tab.getByText(text, { exact: true }).count() === 2;
      });
    await mount(tab, "query", "ann");
    await bothShow("50 %, no problem");
    answer = refusal(500, "internal_error");
    await pass(tab, 4);
    await bothShow("50 %, unreachable");
    answer = refusal(403, "forbidden");
    await pass(tab, 10);
    await bothShow("no status, forbidden");
    const { length } = polls;
    await pass(tab, 600);
    assert.equal(polls.length, length);
    assert.equal(mostInFlight, 1);
  });

  onPage(
    "the example asks for a sign-in at the end of a session, and not in an outage",
    async (tab) => {
      const key = "sb-project-ref-auth-token";
      const session = { access_token: "token", refresh_token: "r", expires_in: 3_600, user: { id: "ann" } };
      const expired = JSON.stringify({ ...session, expires_at: NOW / 1_000 - 1 });
      await tab.evaluate(([key = "", value = ""]) => localStorage.setItem(key, value), [key, expired]);
      let refresh = () => new Response(null, { status: 429 });
      await tab.route("https://project-ref.supabase.co/**", async (route) => {
        const isPoll = route.request().url().endsWith("/get-sync-status");
        const response = isPoll ? await answer() : refresh();
        const headers = {
          "Access-Control-Allow-Origin": "*",
          "Access-Control-Allow-Headers": "*, authorization",
        };
        await route.fulfill({ status: response.status, body: await response.text(), headers });
      });
      await tab.reload();
      await set(tab, "Mounted", "example");
      for (let seconds = 0; seconds < 120; seconds += 10) {
        await pass(tab, 10);
        assert.equal(await tab.locator("main").innerText(), "Loading …");
      }
      answer = idle;
      refresh = () => Response.json(session);
      await pass(tab, 95);
      await shows(tab, "Last import: completed");
      answer = at(50);
      await tab.getByRole("button", { name: "Start an import" }).click();
      await tab.getByRole("progressbar", { name: "Import" }).waitFor();
      answer = refusal(500, "internal_error");
      await pass(tab, 16);
      await shows(tab, "The service is unreachable.");
      answer = refusal(401, "unauthorized");
      refresh = () => Response.json({ error_code: "refresh_token_not_found" }, { status: 400 });
      await pass(tab, 60);
      await shows(tab, "Please sign in.");
      assert.equal(await tab.evaluate((key) => localStorage.getItem(key), key), null);
    },
  );
}
