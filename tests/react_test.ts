/** The hook of examples/react in a real browser, under StrictMode, against a server that answers as the function does. */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { ErrorCode, SyncStatus } from "../examples/client/types.ts";
import { deno, pathOf } from "../local/commands.ts";
import { launch } from "./support/browser.ts";
import { ACTIVE_EXAMPLE, IDLE_EXAMPLE, test, until } from "./support/helpers.ts";

/** When the tests begin by the page's clock: the example's job was active a moment ago, and is polled every 3 s. */
const NOW = Date.parse("2025-03-15T10:05:01Z");

const status = (example: string, progress_percent?: number): Response => {
  const body: SyncStatus = JSON.parse(example);
  if (body.active && progress_percent) body.job.progress_percent = progress_percent;
  return Response.json(body);
};
const CORS = { "Access-Control-Allow-Origin": "*" };
const refusal = (status: number, code: ErrorCode) => Response.json({ error: "refused", code }, { status });

const browser = await launch("the hook of React in a browser");
if (browser) {
  const entrypoint = pathOf("./support/react_page.tsx", import.meta.url);
  // Not minified: React for development, whose StrictMode mounts twice.
  const script = await deno(["bundle", "--quiet", "--platform", "browser", entrypoint]);

  /** The tokens of the polls that arrived. */
  let polls: string[] = [];
  let inFlight = 0;
  let mostInFlight = 0;
  /** How many polls the page gave up before they were answered. */
  let givenUp = 0;
  /** Answers a poll; the job is one per cent further at each. */
  let answer: () => Response | Promise<Response>;
  const moves = () => status(ACTIVE_EXAMPLE, 49 + polls.length);
  const idle = () => status(IDLE_EXAMPLE);
  const never = () => new Promise<Response>(() => {});

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    switch (new URL(request.url).pathname) {
      case "/":
        return new Response(
          '<!doctype html><div id="root"></div><script src="page.js" type="module"></script>',
          {
            headers: { "Content-Type": "text/html; charset=utf-8" },
          },
        );
      case "/page.js":
        return new Response(script, { headers: { "Content-Type": "text/javascript; charset=utf-8" } });
      case "/functions/v1/get-sync-status": {
        polls.push(request.headers.get("Authorization")?.replace("Bearer ", "") ?? "");
        mostInFlight = Math.max(mostInFlight, ++inFlight);
        const gone = new Promise<Response>((resolve) =>
          request.signal.addEventListener("abort", () => {
            givenUp++;
            resolve(new Response());
          })
        );
        const response = await Promise.race([answer(), gone]);
        inFlight--;
        return response;
      }
      default:
        return new Response("no such path", { status: 404 });
    }
  });
  Deno.test.afterAll(async () => {
    await browser.close();
    await server.shutdown();
  });

  const onPage = (sentence: string, check: (tab: Page) => Promise<void>) =>
    test(sentence, async () => {
      const tab = await browser.newPage();
      tab.setDefaultTimeout(20_000);
      polls = [];
      inFlight = mostInFlight = givenUp = 0;
      answer = moves;
      try {
        // Time passes on the page only where a test lets it.
        await tab.clock.install({ time: NOW });
        await tab.clock.pauseAt(NOW);
        await tab.goto(`http://127.0.0.1:${server.addr.port}`);
        await check(tab);
      } finally {
        await tab.close();
      }
    });
  const set = (tab: Page, label: string, value: string) => tab.getByLabel(label, { exact: true }).fill(value);
  const mount = async (tab: Page, userId: string) => {
    await set(tab, "User", userId);
    await set(tab, "Mounted", "hook");
  };
  const shows = (tab: Page, text: string) => tab.getByText(text, { exact: true }).waitFor();
  /** Writes down from now on what the page shows after each change: whose, and how far. */
  const recordFrames = (tab: Page) =>
    tab.evaluate(`{
      window.frames = [];
      const main = document.querySelector("main");
      new MutationObserver(() => frames.push(main.innerText.split(/\\n+/).slice(0, 2).join(": ")))
        .observe(main, { subtree: true, childList: true, characterData: true });
    }`);
  /** Resolves once what the page sent has arrived. */
  const arrived = (tab: Page) => tab.evaluate("fetch('/arrived').then((response) => response.text())");

  onPage("the hook shows how the job moves on, what that says of its future, and its end", async (tab) => {
    await mount(tab, "ann");
    await shows(tab, "50 %");
    await shows(tab, "2.5 calls per second");
    await tab.clock.fastForward(5_000);
    await shows(tab, "51 %");
    answer = idle;
    await tab.clock.fastForward(5_000);
    await shows(tab, "no job");
    await shows(tab, "no outlook");
  });

  onPage(
    "two components with one watch make one poll at a time, although StrictMode mounts twice",
    async (tab) => {
      await mount(tab, "ann");
      for (const due of ["50 %", "51 %", "52 %", "53 %"]) {
        await shows(tab, due);
        await tab.clock.fastForward(5_000);
      }
      await shows(tab, "54 %");
      await arrived(tab);
      assert.equal(await tab.title(), "mounted mounted");
      assert.equal(polls.length, 5);
      assert.equal(mostInFlight, 1);
    },
  );

  onPage("an outage is told beside the last status, and no longer once it is over", async (tab) => {
    await mount(tab, "ann");
    await shows(tab, "50 %");
    answer = () => refusal(500, "internal_error");
    await tab.clock.fastForward(5_000);
    await shows(tab, "unreachable");
    await shows(tab, "50 %");
    answer = moves;
    // A retry comes within a minute.
    await tab.clock.fastForward(60_000);
    await shows(tab, "52 %");
    await shows(tab, "no problem");
  });

  onPage(
    "the end of the session is told, nothing else is shown, and nothing is polled until somebody signs in",
    async (tab) => {
      await mount(tab, "ann");
      await shows(tab, "50 %");
      answer = () => refusal(401, "unauthorized");
      await tab.clock.fastForward(5_000);
      await shows(tab, "signed_out");
      await shows(tab, "no status");
      await shows(tab, "no outlook");
      await tab.clock.fastForward(600_000);
      await set(tab, "User", "");
      await shows(tab, "nobody");
      await shows(tab, "no problem");
      await tab.clock.fastForward(600_000);
      await arrived(tab);
      assert.deepEqual(polls, ["token", "token", "refreshed token"]);
      answer = moves;
      await set(tab, "User", "ann");
      await shows(tab, "53 %");
    },
  );

  onPage(
    "another user ends the poll under way, and sees nothing of the user before in any frame",
    async (tab) => {
      await mount(tab, "ann");
      await shows(tab, "50 %");
      answer = never;
      await tab.clock.fastForward(5_000);
      await until(() => inFlight === 1);
      await recordFrames(tab);
      answer = () => status(ACTIVE_EXAMPLE, 80);
      await set(tab, "User", "bob");
      await shows(tab, "80 %");
      await until(() => givenUp === 1);
      await set(tab, "User", "");
      await shows(tab, "nobody");
      await set(tab, "User", "bob");
      await shows(tab, "80 %");
      assert.deepEqual(await tab.evaluate("frames"), [
        "bob: no status",
        "bob: 80 %",
        "nobody: no status",
        "bob: no status",
        "bob: 80 %",
      ]);
    },
  );

  onPage("what comes for the user before once another is on the page is not shown", async (tab) => {
    await mount(tab, "ann");
    await shows(tab, "50 %");
    // The answer comes right after React has put the next user on the page, before it runs effects.
    await tab.evaluate(`{
      const { fetch } = window;
      window.fetch = () => new Promise((resolve) => {
        window.fetch = fetch;
        new MutationObserver(() => resolve({ status: 200, json: async () => (${ACTIVE_EXAMPLE}) }))
          .observe(document.querySelector("main"), { subtree: true, characterData: true });
        document.title = "asked";
      });
    }`);
    await tab.clock.fastForward(5_000);
    await until(async () => await tab.title() === "asked");
    await recordFrames(tab);
    answer = () => status(ACTIVE_EXAMPLE, 80);
    await set(tab, "User", "bob");
    await shows(tab, "80 %");
    assert.deepEqual(await tab.evaluate("frames"), ["bob: no status", "bob: 80 %"]);
  });

  onPage("what is no longer mounted ends its poll, and makes no other", async (tab) => {
    await mount(tab, "ann");
    await shows(tab, "50 %");
    answer = never;
    await tab.clock.fastForward(5_000);
    await until(() => inFlight === 1);
    await set(tab, "Mounted", "nothing");
    await until(() => givenUp === 1);
    await tab.clock.fastForward(600_000);
    await arrived(tab);
    assert.equal(polls.length, 2);
  });

  onPage(
    "getAccessToken may be another function at each render: the watch goes on with the last one",
    async (tab) => {
      await mount(tab, "ann");
      await shows(tab, "50 %");
      await set(tab, "Token", "other token");
      await arrived(tab);
      assert.deepEqual(polls, ["token"]);
      await tab.clock.fastForward(5_000);
      await shows(tab, "51 %");
      assert.deepEqual(polls, ["token", "other token"]);
    },
  );

  onPage("pollNow polls at once", async (tab) => {
    answer = idle;
    await mount(tab, "ann");
    await shows(tab, "no job");
    await tab.clock.fastForward(5_000);
    await arrived(tab);
    assert.equal(polls.length, 1);
    answer = moves;
    await tab.getByRole("button", { name: "Poll" }).click();
    await shows(tab, "51 %");
  });

  onPage("pollNow begins a new watch where the last one has ended by itself", async (tab) => {
    answer = () => refusal(403, "forbidden");
    await mount(tab, "ann");
    await shows(tab, "forbidden");
    answer = moves;
    await tab.clock.fastForward(5_000);
    await tab.getByRole("button", { name: "Poll" }).click();
    await shows(tab, "51 %");
    await shows(tab, "no problem");
    assert.equal(mostInFlight, 1);
  });

  onPage(
    "the example with React shows an import that it starts, an outage and the end of the session",
    async (tab) => {
      answer = idle;
      // supabase-js finds a session that an earlier visit left.
      const session = {
        access_token: "token",
        refresh_token: "refresh token",
        expires_at: NOW / 1_000 + 3_600,
      };
      await tab.evaluate(
        `localStorage.setItem("sb-project-ref-auth-token", ${JSON.stringify(JSON.stringify(session))})`,
      );
      await tab.reload();
      await tab.route("https://project-ref.supabase.co/**", async (route) => {
        const ofFunction = route.request().url().endsWith("/functions/v1/get-sync-status");
        if (ofFunction) polls.push(await route.request().headerValue("Authorization") ?? "");
        const response = ofFunction
          ? await answer()
          // As Auth refuses a refresh once the session is over.
          : Response.json({ error_code: "refresh_token_not_found" }, { status: 400 });
        await route.fulfill({ status: response.status, body: await response.text(), headers: CORS });
      });
      await set(tab, "Mounted", "example");
      await shows(tab, "Please sign in.");
      answer = idle;
      await set(tab, "User", "ann");
      await shows(tab, "Last import: completed");
      answer = moves;
      await tab.clock.fastForward(5_000);
      await tab.getByRole("button", { name: "Start an import" }).click();
      const bar = tab.getByRole("progressbar", { name: "Import" });
      await bar.waitFor();
      assert.equal(await bar.getAttribute("value"), "51");
      await tab.clock.fastForward(150_000);
      await shows(tab, "The import seems stalled.");
      answer = () => refusal(500, "internal_error");
      await tab.clock.fastForward(10_000);
      await shows(tab, "The service is unreachable.");
      answer = () => refusal(401, "unauthorized");
      await tab.clock.fastForward(30_000);
      await shows(tab, "Please sign in.");
      assert.equal(polls[0], "Bearer token");
    },
  );
}
