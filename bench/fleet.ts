/**
 * `deno task fleet [pages] [minutes]`: what many open pages ask of the service
 * together, above all in an outage and after it. Prints the tables of
 * docs/performance.md as they stand there. Fails if a goal is missed.
 */

import { z } from "zod";
import { type Demand, type Outcome, type Scenario, simulate, type Trouble } from "./open_pages.ts";
import { measureCpu } from "./polls.ts";
import { announce, findMissed, type Goal, table } from "./report.ts";
import { startUpstream } from "./rivals.ts";

const args = z.array(z.coerce.number().min(20)).max(2).safeParse(Deno.args);
if (!args.success) {
  console.error("deno task fleet [pages] [minutes]: two numbers, each at least 20.");
  Deno.exit(2);
}
const [pages = 10_000, minutes = 120] = args.data;

const TROUBLES: Trouble[] = [
  { kind: "Auth is down", from: 5, to: 10 },
  { kind: "no gateway", from: 22, to: 27 },
  { kind: "slow upstream", from: 40, to: 45 },
  // Meanwhile the first tokens expire.
  { kind: "Auth is down", from: 56, to: 61 },
];

const MORNING: Scenario = {
  pages,
  minutes,
  importing: 0.2,
  jobMinutes: { shortest: 2, longest: 60 },
  troubles: TROUBLES.filter(({ to }) => to + 10 <= minutes),
};

/** The busiest pages; what they ask for grows with their number, so fewer show it too. */
const ALL_IMPORTING: Scenario = {
  ...MORNING,
  pages: Math.min(pages, 3_000),
  minutes: 20,
  importing: 1,
  jobMinutes: { shortest: 2, longest: 240 },
  troubles: TROUBLES.slice(0, 1),
};

/** The mean of some seconds. */
const mean = (values: number[], from: number, to: number) =>
  values.slice(from, to).reduce((sum, value) => sum + value, 0) / (to - from);

/** The busiest ten seconds in a row. */
function peak(values: number[], from: number, to: number): number {
  let highest = 0;
  for (let second = from; second + 10 <= to; second++) {
    highest = Math.max(highest, mean(values, second, second + 10));
  }
  return highest;
}

/** What was asked for per second: in the two minutes before a trouble, at most in it, and in the ten minutes after. */
function around(values: number[], trouble: Trouble) {
  const [from, to] = [trouble.from * 60, trouble.to * 60];
  return {
    before: mean(values, from - 120, from),
    // In the first ten seconds pages are still noticing.
    inIt: peak(values, from + 10, to),
    after: peak(values, to, to + 600),
  };
}

const count = (value: number) => Math.round(value).toLocaleString("en");
const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** The rows of a scenario, one for each trouble, and what is promised of it. */
function judge(name: string, { pages, troubles }: Scenario, { demand, late }: Outcome) {
  const rows: string[][] = [];
  const goals: Goal[] = [];
  for (const [i, trouble] of troubles.entries()) {
    const polls = around(demand.polls, trouble);
    const refreshes = around(demand.refreshes, trouble);
    const { after60s, after90s } = late[i] ?? { after60s: NaN, after90s: NaN };
    const what = `${count(pages)} pages${name}: ${trouble.kind}, minute ${trouble.from} to ${trouble.to}`;
    const rates = [polls.before, polls.inIt, polls.after, refreshes.inIt, refreshes.after];
    rows.push([what, ...rates.map(count), percent(1 - after60s), percent(1 - after90s)]);
    goals.push(
      { what: `${what}: polls in it, times those before`, value: polls.inIt / polls.before, atMost: 1 },
      { what: `${what}: polls after it, times those before`, value: polls.after / polls.before, atMost: 1.5 },
      { what: `${what}: pages not right after 60 s, %`, value: after60s * 100, atMost: 10 },
      { what: `${what}: pages not right after 90 s, %`, value: after90s * 100, atMost: 0 },
    );
  }
  return { rows, goals };
}

announce(`${pages} open pages over ${minutes} minutes`, "three minutes for 10,000 over 120");
const morning = await simulate(MORNING);
const allImporting = await simulate(ALL_IMPORTING);
const judged = [judge("", MORNING, morning), judge(", all importing", ALL_IMPORTING, allImporting)];
const goals: Goal[] = [
  ...judged.flatMap(({ goals }) => goals),
  { what: "pages reported as signed out", value: morning.signedOut + allImporting.signedOut, atMost: 0 },
];
const head = ["Polls before", "In it", "After it", "Refreshes in it", "After it", "Right in 60 s", "In 90 s"];
console.log(table(["Per second", ...head], judged.flatMap(({ rows }) => rows)));

announce("the CPU of a poll", "fifteen seconds");
const upstream = await startUpstream();
const cpu = {
  active: await measureCpu(upstream, "get-sync-status", "active"),
  idle: await measureCpu(upstream, "get-sync-status", "idle"),
};
upstream.stop();

/** Requests per second and page in minutes 12 to 20, when nothing is wrong. */
const perPage = (kind: keyof Demand) => mean(morning.demand[kind], 720, 1_200) / pages;
const [polls, rest] = [perPage("polls"), perPage("rest")];
// An idle poll asks REST three times, an active one twice.
const idle = rest - 2 * polls;
const cores = ((polls - idle) * cpu.active + idle * cpu.idle) / 1e6;
const rows = [1_000, 10_000, 100_000, Number((1 / cores).toPrecision(2))].map((open) => [
  ...[open, open * polls, open * idle, open * rest].map(count),
  (open * cores).toFixed(2),
]);
console.log(
  `\n${table(["Open pages", "Polls and Auth", "Idle polls", "REST", "Cores of the function"], rows)}`,
);

const failures = findMissed(goals);
for (const failure of failures) console.error(failure);
Deno.exit(failures.length ? 1 : 0);
