/**
 * Many open pages at once, on a clock that does not wait: the real
 * watchSyncStatus, accessTokenFrom, keepSession and supabase-js, on a service
 * that is modelled by what it is asked and how it fails.
 *
 * Every page is seen all the time, which is the most that pages can ask for.
 */

import FakeTimers from "@sinonjs/fake-timers";
import { AuthClient } from "@supabase/supabase-js";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import { accessTokenFrom, keepSession } from "../examples/client/access_token.ts";
import { watchSyncStatus } from "../examples/client/watch_sync_status.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const START = Date.parse("2025-03-15T09:00:00Z");

/** How long an access token is valid, as Supabase has it by default. */
const TOKEN_MS = 60 * MINUTE;
/** How long an answer takes: the function's one round trip and the user's own. */
const LATENCY_MS = 150;
/** How long the upstream requests of one poll may take. */
const DEADLINE_MS = 8 * SECOND;

/** Which share of the agencies that import has a job that never begins: its queue stands still. */
const QUEUED = 0.2;

/** What goes wrong, and when, in minutes since the start. */
export interface Trouble {
  /**
   * Auth is down: it answers 503, and the function 500. No gateway: nothing
   * arrives. Slow upstream: it takes as long as the function's deadline.
   */
  kind: "Auth is down" | "no gateway" | "slow upstream";
  from: number;
  to: number;
}

/** What is simulated. */
export interface Scenario {
  /** How many pages are opened within three minutes, a fifth of them in the same second. */
  pages: number;
  minutes: number;
  /** Which share of the agencies imports. */
  importing: number;
  jobMinutes: { shortest: number; longest: number };
  troubles: Trouble[];
}

/** What the pages ask for, second by second: the function, the REST API, and Auth to refresh a session. */
export type Demand = Record<"polls" | "rest" | "refreshes", number[]>;

/** What the pages did. */
export interface Outcome {
  demand: Demand;
  /** For each trouble, which share of the pages was not right 60 and 90 s after its end. */
  late: { after60s: number; after90s: number }[];
  /** How many pages reported that their user is signed out, or belongs to no agency. */
  signedOut: number;
}

/** Numbers between 0 and 1, the same ones each time (mulberry32): so a run can be repeated. */
function seededRandom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const idle = () => ({ active: false, recent_job: null });
const queued = () => ({ active: true, job: { ...ACTIVE.job, status: "pending", started_at: null } });

/** Jobs of this length, one after the other, with a minute between two. */
function importing(jobMs: number): () => { active: boolean } {
  const phaseMs = Math.random() * (jobMs + MINUTE);
  return () => {
    const age = (Date.now() - START + phaseMs) % (jobMs + MINUTE);
    if (age >= jobMs) return idle();
    return { active: true, job: { ...ACTIVE.job, started_at: new Date(Date.now() - age).toISOString() } };
  };
}

/** Runs a scenario; the same one gives the same outcome each time. */
export async function simulate({ pages, minutes, troubles, ...scenario }: Scenario): Promise<Outcome> {
  const { fetch } = globalThis;
  const { random } = Math;
  const clock = FakeTimers.install({
    now: START,
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
  });
  Math.random = seededRandom(1);

  const zeros = () => new Array<number>(minutes * 60 + 1).fill(0);
  const demand: Demand = { polls: zeros(), rest: zeros(), refreshes: zeros() };
  const outcome: Outcome = { demand, late: [], signedOut: 0 };
  const count = (what: keyof Demand, requests = 1) => {
    const second = Math.floor((Date.now() - START) / SECOND);
    demand[what][second] = (demand[what][second] ?? 0) + requests;
  };
  const after = <Result>(ms: number, result: () => Result | Promise<Result>) =>
    new Promise<Result>((resolve) => setTimeout(() => resolve(result()), ms));
  /** What is wrong now, and how long an answer takes. */
  const look = () => {
    const minute = (Date.now() - START) / MINUTE;
    const trouble = troubles.find(({ from, to }) => minute >= from && minute < to)?.kind;
    return { trouble, ms: trouble === "slow upstream" ? DEADLINE_MS : LATENCY_MS };
  };
  const noGateway = () => Promise.reject(new TypeError("no gateway"));

  /** What each page is answered. */
  const statuses: (() => { active: boolean })[] = [];
  const poll = (_url: string, { headers }: { headers: { Authorization: string } }) => {
    count("polls");
    const { trouble, ms } = look();
    if (trouble === "no gateway") return after(ms, noGateway);
    count("rest", 2);
    const page = Number(headers.Authorization.replace("Bearer access ", ""));
    const body = trouble ? { error: "…", code: "internal_error" } : statuses[page]?.() ?? idle();
    if ("active" in body && !body.active) count("rest");
    const answer = { status: trouble ? 500 : 200, headers: new Headers(), json: () => Promise.resolve(body) };
    return after(ms, () => answer);
  };
  globalThis.fetch = poll as unknown as typeof fetch;

  const refresh = (page: number) => {
    const { trouble, ms } = look();
    if (trouble === "no gateway") return after(ms, noGateway);
    count("refreshes");
    const isDown = trouble === "Auth is down";
    return after(ms, () => isDown ? new Response(null, { status: 503 }) : Response.json(session(page)));
  };
  const session = (page: number) => ({
    access_token: `access ${page}`,
    refresh_token: `refresh ${page}`,
    token_type: "bearer",
    expires_in: TOKEN_MS / SECOND,
    expires_at: Math.floor((Date.now() + TOKEN_MS) / SECOND),
    user: { id: `user ${page}` },
  });

  /** When each page was last right. */
  const rightAt = new Array<number>(pages).fill(-Infinity);
  const open = (page: number) => {
    const stored = new Map([["session", JSON.stringify(session(page))]]);
    const auth = new AuthClient({
      url: "https://project.test/auth/v1",
      storageKey: "session",
      storage: {
        getItem: (key) => stored.get(key) ?? null,
        setItem: (key, value) => void stored.set(key, value),
        removeItem: (key) => void stored.delete(key),
      },
      fetch: keepSession(() => refresh(page)),
    });
    watchSyncStatus({
      url: "https://project.test/functions/v1/get-sync-status",
      getAccessToken: accessTokenFrom(auth, `user ${page}`),
      signal: new AbortController().signal,
      onStatus: () => rightAt[page] = Date.now(),
      onError: ({ kind }) => outcome.signedOut += kind === "unreachable" ? 0 : 1,
    });
  };
  for (let page = 0; page < pages; page++) {
    const { shortest, longest } = scenario.jobMinutes;
    // As many jobs from one minute to two as from two to four: short ones are more frequent.
    const jobMs = shortest * (longest / shortest) ** Math.random() * MINUTE;
    const imports = Math.random() < scenario.importing;
    statuses.push(!imports ? idle : Math.random() < QUEUED ? queued : importing(jobMs));
    setTimeout(() => open(page), Math.random() * (page < pages / 5 ? SECOND : 3 * MINUTE));
  }
  for (const [i, { to }] of troubles.entries()) {
    // What came sooner had been asked for in the trouble.
    const due = START + to * MINUTE + LATENCY_MS;
    const late = () => rightAt.filter((at) => at < due).length / pages;
    const judged = outcome.late[i] = { after60s: NaN, after90s: NaN };
    setTimeout(() => judged.after60s = late(), to * MINUTE + 60 * SECOND);
    setTimeout(() => judged.after90s = late(), to * MINUTE + 90 * SECOND);
  }
  let running = true;
  setTimeout(() => running = false, minutes * MINUTE);
  while (running) {
    clock.next();
    // Lets what has become due run until it waits again; `nextAsync` would wait a real millisecond each time.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  clock.uninstall();
  Object.assign(Math, { random });
  Object.assign(globalThis, { fetch });
  return outcome;
}
