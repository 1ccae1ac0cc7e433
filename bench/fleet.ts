/**
 * `deno task fleet [pages] [minutes]`: what many open pages ask of the service
 * together, above all in an outage and after it. Ends with 1 where a goal is
 * missed. Without arguments it writes the picture in docs/.
 *
 * @module
 */

import { type Demand, type Outcome, type Scenario, simulate, spanOf, type Trouble } from "./open_pages.ts";
import { scale } from "./database.ts";
import { picture } from "./picture.ts";
import { cpuOfPoll } from "./polls.ts";
import { startUpstream } from "./rivals.ts";

const PICTURE = new URL("../docs/fleet.svg", import.meta.url);

const [pages = 10_000, minutes = 120] = Deno.args.map(Number);
if (!(pages > 0 && minutes >= 20)) {
  console.error("The arguments are how many pages, and how many minutes: 20 at least.");
  Deno.exit(1);
}

const TROUBLES: Trouble[] = [
  { kind: "Auth is down", from: 5, minutes: 5 },
  { kind: "no network", from: 22, minutes: 5 },
  { kind: "slow upstream", from: 40, minutes: 5 },
  // The tokens of all pages are an hour old by now.
  { kind: "Auth is down", from: 56, minutes: 5 },
];

/** A morning: a fifth of the pages is opened in the same second, and a fifth of the agencies imports. */
const MORNING: Scenario = {
  name: "a morning",
  pages,
  minutes,
  opening: { minutes: 3, atOnce: 0.2 },
  jobs: { share: 0.2, shortest: 2, longest: 60 },
  hiding: 0.3,
  troubles: TROUBLES.filter((trouble) => spanOf(trouble).to + 600 <= minutes * 60),
};

/** What is asked in proportion to the pages needs no more of them. */
const FEWER = Math.min(pages, 3_000);

/** Every agency imports, and every page is seen. */
const ALL_ACTIVE: Scenario = {
  ...MORNING,
  name: "all jobs active",
  pages: FEWER,
  minutes: 20,
  opening: { minutes: 1, atOnce: 0 },
  jobs: { share: 1, shortest: 2, longest: 13 },
  hiding: 0,
  troubles: [{ kind: "Auth is down", from: 5, minutes: 5 }],
};

/** The same with jobs that are polled every 15 s most of the time. */
const ALL_LONG: Scenario = {
  ...ALL_ACTIVE,
  name: "all jobs active and long",
  jobs: { share: 1, shortest: 60, longest: 240 },
};

/** Every page is opened in the same second, with a session that began then. */
const SAME_SECOND: Scenario = {
  ...MORNING,
  name: "all opened in the same second",
  pages: FEWER,
  minutes: 70,
  opening: { minutes: 0, atOnce: 1 },
  hiding: 0,
  troubles: [],
};

const peak = (values: number[], from: number, to: number) =>
  values.slice(from, to).reduce((highest, value) => Math.max(highest, value), 0);
const mean = (values: number[], from: number, to: number) =>
  values.slice(from, to).reduce((sum, value) => sum + value, 0) / (to - from);

/** What was asked for per second: in the two minutes before a trouble, at most in it (from its tenth second) and after it. */
function around(values: number[], trouble: Trouble) {
  const { from, to } = spanOf(trouble);
  return {
    steady: mean(values, from - 120, from),
    during: peak(values, from + 10, to),
    after: peak(values, to, to + 600),
  };
}

const REQUESTS: Record<keyof Demand, string> = {
  polls: "polls",
  auth: "requests to Auth",
  refreshes: "refreshes among these",
  rest: "requests to REST",
};
const KINDS = Object.keys(REQUESTS) as (keyof Demand)[];

interface Goal {
  what: string;
  value: number;
  most: number;
}

/** What is promised of each outage; a slow upstream answers, and is none. */
function goalsOf(scenario: Scenario, { demand, recoveries }: Outcome, duringAtMost: number): Goal[] {
  return scenario.troubles.flatMap((trouble, i) => {
    if (trouble.kind === "slow upstream") return [];
    const where = `${scenario.name}, ${trouble.kind} at ${trouble.from}`;
    const rates = (["polls", "auth", "rest"] as const).flatMap((kind) => {
      const { steady, during, after } = around(demand[kind], trouble);
      const what = `${where}: ${REQUESTS[kind]}, times the steady rate`;
      return [
        { what: `${what}, in it`, value: during / steady, most: duringAtMost },
        { what: `${what}, in the ten minutes after`, value: after / steady, most: 1.5 },
      ];
    });
    const seconds = recoveries[i] ?? [];
    const late = seconds.filter((second) => second > 45).length / seconds.length;
    return [
      ...rates,
      { what: `${where}: seconds until the last page is right`, value: seconds.at(-1) ?? NaN, most: 75 },
      { what: `${where}: pages not right after 45 s, per cent`, value: late * 100, most: 10 },
    ];
  });
}

const before = performance.now();
const run = async (scenario: Scenario) => {
  const outcome = await simulate(scenario);
  const { name, pages, minutes, troubles } = scenario;
  console.log(`\n${name}: ${pages} pages, ${minutes} minutes; per second`);
  if (troubles.length === 0) return outcome;
  console.table(troubles.flatMap((trouble, i) =>
    KINDS.map((kind) => {
      const { steady, during, after } = around(outcome.demand[kind], trouble);
      const seconds = outcome.recoveries[i] ?? [];
      return {
        "trouble": `${trouble.kind} at ${trouble.from}`,
        "what": REQUESTS[kind],
        "before": steady.toFixed(1),
        "peak in it": during,
        "peak after": after,
        "90 % right again after, s": (seconds[Math.ceil(seconds.length * 0.9) - 1] ?? NaN).toFixed(1),
        "all, s": (seconds.at(-1) ?? NaN).toFixed(1),
      };
    })
  ));
  return outcome;
};

const morning = await run(MORNING);
const allActive = await run(ALL_ACTIVE);
const allLong = await run(ALL_LONG);
const sameSecond = await run(SAME_SECOND);
const outcomes = [morning, allActive, allLong, sameSecond];

const later = SAME_SECOND.minutes * 60;
const goals: Goal[] = [
  ...goalsOf(MORNING, morning, 1),
  ...goalsOf(ALL_ACTIVE, allActive, 0.25),
  ...goalsOf(ALL_LONG, allLong, 1),
  ...(["polls", "auth", "rest"] as const).map((kind) => ({
    what: `${SAME_SECOND.name}: ${REQUESTS[kind]} from ten minutes on, times the mean`,
    value: peak(sameSecond.demand[kind], 600, later) / mean(sameSecond.demand[kind], 600, later),
    most: 3,
  })),
  {
    what: "polls in flight of one page",
    value: Math.max(...outcomes.map((each) => each.mostInFlight)),
    most: 1,
  },
  {
    what: "pages told that they are signed out",
    value: outcomes.reduce((sum, each) => sum + each.signedOut, 0),
    most: 0,
  },
];
console.log("\nGoals");
console.table(goals.map(({ what, value, most }) => ({
  what,
  "value": value.toFixed(2),
  "at most": most,
  "reached": value <= most ? "yes" : "no",
})));
console.log(
  `\n${((performance.now() - before) / 1_000).toFixed(0)} s, ${
    (Deno.memoryUsage().rss / 1e9).toFixed(1)
  } GB at the end.`,
);

const upstream = await startUpstream();
const cpu = { active: await cpuOfPoll(upstream, "active"), idle: await cpuOfPoll(upstream, "idle") };
upstream.stop();

/** What the queries of an active poll cost the database, and what the fallback adds: pages of 8 kB, milliseconds. */
const measured = await scale();
const jobs = Math.max(...measured.map((row) => row.jobs));
const queries = (...names: string[]) =>
  measured.filter((row) => row.jobs === jobs && names.includes(row.query)).reduce(
    (sum, { buffers, ms }) => ({ buffers: sum.buffers + buffers, ms: sum.ms + ms }),
    { buffers: 0, ms: 0 },
  );
const [each, fallback] = [queries("users", "RPC"), queries("fallback")];

/** Requests per second and page in minutes 3 to 5: all pages are open, and nothing has gone wrong. */
const perPage = (kind: keyof Demand) => mean(morning.demand[kind], 180, 300) / pages;
const [polls, auth, rest] = [perPage("polls"), perPage("auth"), perPage("rest")];
// An idle poll asks REST three times, an active one twice.
const idle = rest - 2 * polls;
const functionCores = ((polls - idle) * cpu.active + idle * cpu.idle) / 1e6;
const databaseCores = (polls * each.ms + idle * fallback.ms) / 1e3;

console.log(
  `\nWhat open pages ask for per second, a fifth of the agencies importing: CPU of the function ${
    cpu.active.toFixed(0)
  } µs for an active poll and ${cpu.idle.toFixed(0)} µs for an idle one, database with ${jobs} jobs`,
);
console.table([1_000, 10_000, 100_000].map((open) => ({
  "open pages": open,
  "polls": (open * polls).toFixed(0),
  "of these idle": (open * idle).toFixed(0),
  "Auth": (open * auth).toFixed(0),
  "REST": (open * rest).toFixed(0),
  "database, 8 kB pages": (open * (polls * each.buffers + idle * fallback.buffers)).toFixed(0),
  "database, cores": (open * databaseCores).toFixed(2),
  "function, cores": (open * functionCores).toFixed(2),
})));
console.log(
  `A core of the function is full at ${
    (1 / functionCores).toFixed(0)
  } open pages, a core of the database at ${(1 / databaseCores).toFixed(0)} (the queries alone).`,
);

if (Deno.args.length === 0) await Deno.writeTextFile(PICTURE, picture(MORNING, morning.demand));
if (!goals.every(({ value, most }) => value <= most)) Deno.exit(1);
