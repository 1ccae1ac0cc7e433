/** `deno task cost`: what the polls of open pages cost a month, by the real client on a clock that does not wait. */

import FakeTimers from "@sinonjs/fake-timers";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { watchSyncStatus } from "../examples/client/watch_sync_status.ts";
import { table } from "./table.ts";

/** Invocations that the plans include a month, and the dollars for each further million on Pro. */
const FREE = 500_000;
const PRO = 2_000_000;
const DOLLARS_A_MILLION = 2;

const PAGES = [100, 1_000, 10_000];
const HOURS = 8;
const DAYS = 22;
const HOUR = 3_600_000;
const START = Date.parse("2025-03-17T09:00:00Z");
const started_at = new Date(START + 2 * HOUR).toISOString();

/** What is answered in the third hour of a day; in the others the status is idle. */
const DAYS_OF_A_PAGE = {
  "no import": { status: 200, body: IDLE },
  "an import of an hour a day": { status: 200, body: { active: true, job: { ...ACTIVE.job, started_at } } },
  "an outage of an hour a day": { status: 500, body: { error: "…", code: "internal_error" } },
};

/** How often a page that is seen all day polls. */
async function countPolls(inThirdHour: { status: number; body: unknown }): Promise<number> {
  let polls = 0;
  globalThis.fetch = () => {
    polls++;
    const hour = Math.floor((Date.now() - START) / HOUR);
    const { status, body } = hour === 2 ? inThirdHour : { status: 200, body: IDLE };
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

/** What so many polls cost on the plan Pro: each million that is begun. */
function cost(polls: number): string {
  const millions = Math.ceil(Math.max(0, polls - PRO) / 1e6);
  return `$${millions * DOLLARS_A_MILLION} (${(polls / 1e6).toFixed(1)} million)`;
}

const rows: string[][] = [];
for (const [day, inThirdHour] of Object.entries(DAYS_OF_A_PAGE)) {
  const polls = await countPolls(inThirdHour);
  const costs = PAGES.map((pages) => cost(polls * DAYS * pages));
  const freePages = Math.floor(FREE / (polls * DAYS));
  rows.push([day, (polls / HOURS).toFixed(0), ...costs, String(freePages)]);
}
const pages = PAGES.map((pages) => `${pages.toLocaleString("en")} pages`);
console.log(table(["A page, 8 hours on 22 days", "Polls an hour", ...pages, "Pages on the plan Free"], rows));
