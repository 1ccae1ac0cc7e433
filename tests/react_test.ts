import assert from "node:assert/strict";
import type { Page, Route } from "playwright-core";
import { deno, pathOf } from "../local/commands.ts";
import { launch } from "./support/browser.ts";
import { ACTIVE_EXAMPLE, IDLE_EXAMPLE, test, until } from "./support/helpers.ts";

/** A second after the example's job was active; it is polled every 3 s. */
const NOW = Date.parse("2025-03-15T10:05:01Z");

type Answer = () => Response | Promise<Response>;
const RUNNING = () => new Response(ACTIVE_EXAMPLE);
const ENDED = () => new Response(IDLE_EXAMPLE);
const OUTAGE = () => new Response(null, { status: 503 });
const SILENCE = () => new Promise<Response>(() => {});
const refusal = (status: number, code: string) => () =>
  Response.json({ error: "…", code, error_code: code }, { status });

const browser = await launch("what is copied for React, in a browser");
if (browser) {
  // Not minified: only React for development mounts twice under StrictMode.
  const entrypoint = pathOf("./support/react_page.tsx", import.meta.url);
  const script = await deno(["bundle", "--quiet", "--platform", "browser", entrypoint]);
  Deno.test.afterAll(() => browser.close());

  let tab: Page;
  let answer: Answer = RUNNING;
  let refresh: Answer = OUTAGE;
  let start: Answer = OUTAGE;
  let asked: string[] = [];
  let rendered: string[] = [];
  const askedFor = (what: string) => asked.filter((each) => each.includes(what));

  const reply = async (route: Route) => {
    const { pathname, search } = new URL(route.request().url());
    asked.push(`${pathname}${search} ${route.request().headers().authorization}`);
    let response = new Response("", { headers: { "Content-Type": "text/html" } });
    if (pathname.endsWith("/get-sync-status")) response = await answer();
    if (pathname.endsWith("/token")) response = await refresh();
    if (pathname === "/imports") response = await start();
    const headers = { ...Object.fromEntries(response.headers), "Access-Control-Allow-Origin": "*" };
    await route.fulfill({ status: response.status, body: await response.text(), headers });
  };
  const show = async (whatToWhom: string, next = answer) => {
    answer = next;
    await tab.getByRole("textbox").fill(whatToWhom);
  };

  Deno.test.beforeEach(async () => {
    [answer, refresh, asked] = [RUNNING, OUTAGE, []];
    tab = await browser.newPage();
    tab.on("console", (message) => rendered.push(message.text()));
    // Time passes until the clock is paused.
    await tab.clock.install({ time: NOW - 3_600_000 });
    await tab.clock.pauseAt(NOW);
    await tab.route("**", reply);
    await tab.goto("http://localhost");
    await tab.addScriptTag({ content: script, type: "module" });
  });
  Deno.test.afterEach(() => tab.close());

  const shows = async (text: string) => {
    // TanStack Query renders by a timer.
    const line = tab.getByText(text, { exact: true }).first();
    const isShown = () => tab.clock.runFor(1).then(() => line.isVisible());
    await until(isShown).catch(async () => assert.equal(await tab.locator("body").innerText(), text));
  };
  /** In steps: what the page sends is answered between. */
  const pass = async (seconds: number) => {
    for (let left = seconds; left > 0; left -= 10) {
      await tab.clock.runFor(Math.min(left, 10) * 1_000);
      await tab.evaluate("fetch('/').then((response) => response.text())");
    }
  };
  const showsAfter = async (seconds: number, next: Answer, ...texts: string[]) => {
    answer = next;
    await pass(seconds);
    for (const text of texts) await shows(text);
  };
  const pollsNothing = async () => {
    const before = askedFor("sync-status");
    await pass(600);
    assert.deepEqual(askedFor("sync-status"), before);
  };

  for (const what of ["hook", "query"]) {
    test(`${what}: keeps the status in an outage, and polls after an end only if asked`, async () => {
      const button = tab.getByRole("button").first();
      await show(`${what} ann`);
      await shows("ann: 50 %, 2.5/s, no problem");
      await showsAfter(4, OUTAGE, "ann: 50 %, 2.5/s, unreachable");
      refresh = refusal(400, "session_expired");
      await showsAfter(30, refusal(401, "unauthorized"), "ann: no status, signed_out");
      await until(() => tab.evaluate("localStorage.length === 0"));
      await pollsNothing();
      await show(`${what} bob`, refusal(403, "forbidden"));
      await shows("bob: no status, forbidden");
      answer = ENDED;
      await button.click();
      await shows("bob: idle, no problem");
      const before = askedFor("sync-status").length;
      answer = RUNNING;
      await button.click();
      await pass(2);
      await shows("bob: 50 %, 2.5/s, no problem");
      // With TanStack Query two components share one watch.
      assert.equal(askedFor("sync-status").length, before + 1);
    });

    test(`${what}: shows nothing of another session`, async () => {
      await show(`${what} ann`);
      await shows("ann: 50 %, 2.5/s, no problem");
      for (const who of ["bob", "ann", "nobody", "unknown"]) {
        rendered = [];
        await show(`${what} ${who}`, SILENCE);
        await pass(1);
        const own = rendered.filter((text) => text.startsWith(who));
        assert.deepEqual([...new Set(own)], [`${who}: no status, no problem`]);
      }
      await pollsNothing();
    });

    test(`${what}: ends its poll when it is unmounted`, async () => {
      await show(`${what} ann`, SILENCE);
      await until(() => askedFor("sync-status").length > 0);
      await Promise.all([tab.waitForEvent("requestfailed"), show("nothing")]);
    });
  }

  test("query: a component shown after the end says it", async () => {
    await show("feed ann", refusal(403, "forbidden"));
    await pass(600);
    await show("query ann");
    await shows("ann: no status, forbidden");
  });

  test("hook: another address, or another client of supabase-js, begins a new watch", async () => {
    await show("hook ann ?one");
    await until(() => askedFor("?one Bearer project-ref").length > 0);
    await show("hook ann ?two");
    await until(() => askedFor("?two Bearer project-ref").length > 0);
    await show("hook ann ?two other");
    await until(() => askedFor("?two Bearer other").length > 0);
  });

  test("the example shows each state that a user meets", async () => {
    await show("example");
    const button = tab.getByRole("button");
    const bar = () => tab.getByRole("progressbar", { name: "Import" }).getAttribute("value");
    await shows("Please sign in.");
    await show("example ann", () => Response.json({ active: false, recent_job: null }));
    await shows("Nothing has been imported yet");
    await button.click();
    await shows("The import could not be started.");
    start = refusal(409, "");
    await button.dblclick();
    await pass(1);
    await button.click({ force: true });
    await showsAfter(2, RUNNING, "50 %, 750 of 1500 calls so far", "About 5 min left");
    assert.deepEqual([await bar(), await button.count(), askedFor("imports").length], ["750", 0, 2]);
    await showsAfter(4, OUTAGE, "The service is unreachable. What is shown may be out of date.");
    const more = () => new Response(ACTIVE_EXAMPLE.replace(": 750", ": 1600"));
    await showsAfter(150, more, "The import seems stalled.", "1600 calls so far");
    assert.equal(await bar(), null);
    await showsAfter(60, ENDED, "Last import: completed", "1450 imported, 40 skipped, 10 failed");
    start = () => new Response();
    await button.click();
    await pass(1);
    assert.equal(await tab.getByRole("alert").count(), 0);
    await show("example bob", refusal(403, "forbidden"));
    await shows("Your user belongs to no agency.");
    await show("example expired");
    await shows("Loading …");
    await showsAfter(120, OUTAGE, "No answer yet. The service may be unreachable.");
    await show("example ann");
    await shows("The service is unreachable. Trying again …");
    refresh = refusal(400, "session_expired");
    await showsAfter(60, refusal(401, "unauthorized"), "Please sign in.");
  });
}
