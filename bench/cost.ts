/** `deno task cost`: what the polls of open pages cost a month, by the real client on a clock that does not wait. */

import FakeTimers from "@sinonjs/fake-timers";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { watchSyncStatus } from "../examples/client/watch_sync_status.ts";
import { table } from "./table.ts";

/** What a function's invocations cost a month beyond those that a plan includes; Free stops there. */
const PRICE = { dollars: 2, invocations: 1_000_000, pro: 2_000_000, free: 500_000 };

const PAGES = [100, 1_000, 10_000];
const HOURS = 8;
const DAYS = 22;

const HOUR = 3_600_000;
const START = Date.parse("2025-03-17T09:00:00Z");

/** What a page is answered at a time: for an hour a day it is not the idle status. */
type Answer = () => { status: number; body: unknown };
const idle: Answer = () => ({ status: 200, body: IDLE });
const forAnHour = (answer: Answer): Answer => () => {
  const hour = (Date.now() - START) / HOUR;
  return hour >= 2 && hour < 3 ? answer() : idle();
};
const started_at = new Date(START + 2 * HOUR).toISOString();
const DAYS_OF_A_PAGE: Record<string, Answer> = {
  "no import": idle,
  "an import of an hour a day": forAnHour(() => {
    return { status: 200, body: { active: true, job: { ...ACTIVE.job, started_at } } };
  }),
  "an outage of an hour a day": forAnHour(() => ({
    status: 500,
    body: { error: "…", code: "internal_error" },
  })),
};

/** How often a page that is seen all day polls. */
async function countPolls(answer: Answer): Promise<number> {
  let polls = 0;
  globalThis.fetch = () => {
    polls++;
    const { status, body } = answer();
    return Promise.resolve(Response.json(body, { status, headers: { Date: new Date().toUTCString() } }));
  };
  // The middle of each spread, so that each run prints the same.
  Math.random = () => 0.5;
  const clock = FakeTimers.install({
    now: START,
    toFake: ["setTimeout", "clearTimeout", "Date", "performance"],
  });
  const end = new AbortController();
  watchSyncStatus({
    url: "https://project.test/functions/v1/get-sync-status",
    getAccessToken: () => Promise.resolve("token"),
    signal: end.signal,
    onStatus: () => {},
    onError: () => {},
  });
  await clock.tickAsync(HOURS * HOUR);
  end.abort();
  clock.uninstall();
  return polls;
}

/** What so many polls a month cost on the plan Pro: each million that is begun. */
function show(polls: number): string {
  const packages = Math.ceil(Math.max(0, polls - PRICE.pro) / PRICE.invocations);
  return `$${packages * PRICE.dollars} (${(polls / 1e6).toFixed(1)} million)`;
}

const rows: string[][] = [];
for (const [day, answer] of Object.entries(DAYS_OF_A_PAGE)) {
  const polls = await countPolls(answer);
  const free = Math.floor(PRICE.free / (polls * DAYS));
  const costs = PAGES.map((pages) => show(polls * DAYS * pages));
  rows.push([day, (polls / HOURS).toFixed(0), ...costs, free.toLocaleString("en")]);
}
const pages = PAGES.map((pages) => `${pages.toLocaleString("en")} pages`);
console.log(table(["A page, 8 hours on 22 days", "Polls an hour", ...pages, "Pages on the plan Free"], rows));
