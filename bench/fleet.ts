/**
 * Many open pages at once, on virtual time: the real watchSyncStatus,
 * accessTokenFrom, keepSession and supabase-js, on a service that is modelled
 * by what it is asked and how it fails.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { AuthClient } from "@supabase/supabase-js";
import { accessTokenFrom, keepSession } from "../examples/client/access_token.ts";
import type { SyncStatus } from "../examples/client/types.ts";
import { INTERVALS, watchSyncStatus } from "../examples/client/watch_sync_status.ts";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import { startVirtualTime } from "./virtual_time.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const START = Date.parse("2025-03-15T09:00:00Z");
const URL_OF_FUNCTION = "https://project.test/functions/v1/get-sync-status";

/** How long an access token is good for, as Supabase has it by default. */
const TOKEN_MS = 60 * MINUTE;

/** How long an answer takes: the function's one round trip and the user's own. */
const LATENCY_MS = 150;
/** How long a slow upstream takes: the function would give up after 10 s. */
const SLOW_MS = 9 * SECOND;

/** What goes wrong, and when, in minutes since the start. */
export interface Trouble {
  kind: "Auth is down" | "no network" | "slow upstream";
  from: number;
  minutes: number;
}

/** What is simulated. */
export interface Scenario {
  name: string;
  pages: number;
  minutes: number;
  /** Within how many minutes the pages are opened, and which share of them in the first second. */
  opening: { minutes: number; atOnce: number };
  /** Which share of the agencies imports, and how long their jobs take, in minutes; there is a minute between two. */
  jobs: { share: number; shortest: number; longest: number };
  /** Which share of the tabs is hidden for ten minutes after each five that it is seen, on average. */
  hiding: number;
  troubles: Trouble[];
}

/** What the pages ask for, second by second. */
export interface Demand {
  /** Polls that leave a page. */
  polls: number[];
  /** Requests that reach Auth: the function's, and refreshes. */
  auth: number[];
  /** Refreshes of a session among these. */
  refreshes: number[];
  /** Requests that reach the REST API. */
  rest: number[];
}

/** How a fleet did. */
export interface Voyage {
  demand: Demand;
  /** For each trouble, how long each page that was seen all along needed to show the truth again, in seconds, sorted. */
  recoveries: number[][];
  mostInFlight: number;
  signedOut: number;
}

/** Numbers between 0 and 1, the same ones for the same seed (mulberry32): the same run each time. */
function randomOf(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A tab, as far as the client looks at one. */
class Tab {
  visibilityState = "visible";
  #listeners = new Set<() => void>();
  addEventListener(_type: string, listener: () => void): void {
    this.#listeners.add(listener);
  }
  removeEventListener(_type: string, listener: () => void): void {
    this.#listeners.delete(listener);
  }
  show(visible: boolean): void {
    this.visibilityState = visible ? "visible" : "hidden";
    for (const listener of [...this.#listeners]) listener();
  }
}

/** An open page. */
interface Page {
  number: number;
  tab: Tab;
  /** Its agency's jobs: milliseconds that each takes, undefined where the agency imports nothing. */
  jobMs: number | undefined;
  /** How far into a job and the minute after it the agency is at the start. */
  phaseMs: number;
  inFlight: number;
  /** Since when its tab is seen. */
  seenSince: number;
}

/** Runs a scenario. */
export async function sail(scenario: Scenario): Promise<Voyage> {
  const { random } = Math;
  const { fetch, document } = globalThis;
  Math.random = randomOf(1);
  const time = startVirtualTime(START);
  const pageAtHand = new AsyncLocalStorage<Page>();
  const seconds = scenario.minutes * 60;
  const zeros = () => new Array<number>(seconds + 1).fill(0);
  const demand: Demand = { polls: zeros(), auth: zeros(), refreshes: zeros(), rest: zeros() };
  const voyage: Voyage = {
    demand,
    recoveries: scenario.troubles.map(() => []),
    mostInFlight: 0,
    signedOut: 0,
  };
  const count = (what: keyof Demand, requests = 1) => {
    const second = Math.floor((time.now() - START) / SECOND);
    demand[what][second] = (demand[what][second] ?? 0) + requests;
  };
  const later = <Result>(ms: number, result: () => Result | Promise<Result>) =>
    new Promise<Result>((resolve) => setTimeout(() => resolve(result()), ms));
  const noNetwork = () => later<never>(LATENCY_MS, () => Promise.reject(new TypeError("no network")));

  const ends = scenario.troubles.map(({ from, minutes }) => START + (from + minutes) * MINUTE);
  const troubleNow = () =>
    scenario.troubles.find(({ from }, i) =>
      time.now() >= START + from * MINUTE && time.now() < (ends[i] ?? 0)
    )
      ?.kind;

  function statusOf({ jobMs, phaseMs }: Page): SyncStatus {
    const into = jobMs === undefined ? 0 : (time.now() - START + phaseMs) % (jobMs + MINUTE);
    if (jobMs === undefined || into >= jobMs) return { active: false, recent_job: null };
    const started_at = new Date(time.now() - into).toISOString();
    return { active: true, job: { ...ACTIVE.job, status: "in_progress", started_at } };
  }

  /** What the function answers, and what it asks for it. */
  function poll(page: Page): Promise<unknown> {
    count("polls");
    const trouble = troubleNow();
    if (trouble === "no network") return noNetwork();
    count("auth");
    count("rest", 2);
    if (trouble === "Auth is down") {
      return later(LATENCY_MS, () => ({
        status: 500,
        json: () => Promise.resolve({ error: "…", code: "internal_error" }),
      }));
    }
    const status = statusOf(page);
    if (!status.active) count("rest");
    return later(
      trouble ? SLOW_MS : LATENCY_MS,
      () => ({ status: 200, json: () => Promise.resolve(status) }),
    );
  }

  /** What Auth answers to a refresh. */
  function refresh(page: Page): Promise<Response> {
    if (troubleNow() === "no network") return noNetwork();
    count("auth");
    count("refreshes");
    const down = troubleNow() === "Auth is down";
    return later(
      LATENCY_MS,
      () => down ? new Response(null, { status: 503 }) : Response.json(sessionOf(page)),
    );
  }

  const sessionOf = ({ number }: Page) => ({
    access_token: `access ${number}`,
    refresh_token: `refresh ${number}`,
    token_type: "bearer",
    expires_in: TOKEN_MS / SECOND,
    expires_at: Math.floor((time.now() + TOKEN_MS) / SECOND),
    user: { id: `user ${number}` },
  });

  Object.defineProperty(globalThis, "document", {
    configurable: true,
    get: () => pageAtHand.getStore()?.tab,
  });
  globalThis.fetch = (async () => {
    const page = pageAtHand.getStore();
    if (!page) throw new Error("a poll of no page");
    voyage.mostInFlight = Math.max(voyage.mostInFlight, ++page.inFlight);
    try {
      return await poll(page);
    } finally {
      page.inFlight--;
    }
  }) as typeof fetch;

  function open(page: Page): void {
    const stored = new Map([["session", JSON.stringify(sessionOf(page))]]);
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
    page.seenSince = time.now();
    /** Which troubles this page has come out of. */
    let over = 0;
    watchSyncStatus({
      url: URL_OF_FUNCTION,
      getAccessToken: accessTokenFrom(auth),
      signal: new AbortController().signal,
      onStatus() {
        for (; (ends[over] ?? Infinity) <= time.now() - LATENCY_MS; over++) {
          const end = ends[over] ?? NaN;
          if (page.seenSince < end) voyage.recoveries[over]?.push((time.now() - end) / SECOND);
        }
      },
      onError({ kind }) {
        if (kind !== "unreachable") voyage.signedOut++;
      },
    });
    if (Math.random() < scenario.hiding) hide(page);
  }

  function hide(page: Page): void {
    setTimeout(() => {
      page.tab.show(false);
      page.seenSince = Infinity;
      setTimeout(() => {
        page.tab.show(true);
        page.seenSince = time.now();
        hide(page);
      }, waiting(10 * MINUTE));
    }, waiting(5 * MINUTE));
  }
  /** A time until something that happens by chance, from its mean. */
  const waiting = (mean: number) => -Math.log(1 - Math.random()) * mean;

  const { share, shortest, longest } = scenario.jobs;
  for (let number = 0; number < scenario.pages; number++) {
    // As many of a minute as of two, and as of four: short jobs are more than long ones.
    const jobMs = Math.random() < share
      ? shortest * (longest / shortest) ** Math.random() * MINUTE
      : undefined;
    const page: Page = {
      number,
      tab: new Tab(),
      jobMs,
      phaseMs: Math.random() * ((jobMs ?? 0) + MINUTE),
      inFlight: 0,
      seenSince: Infinity,
    };
    const { minutes, atOnce } = scenario.opening;
    const opensIn = number < scenario.pages * atOnce
      ? Math.random() * SECOND
      : Math.random() * minutes * MINUTE;
    pageAtHand.run(page, () => setTimeout(() => open(page), opensIn));
  }
  try {
    await time.passUntil(START + scenario.minutes * MINUTE);
  } finally {
    time.end();
    Math.random = random;
    globalThis.fetch = fetch;
    Object.defineProperty(globalThis, "document", { configurable: true, writable: true, value: document });
  }
  for (const recovery of voyage.recoveries) recovery.sort((a, b) => a - b);
  return voyage;
}
export { INTERVALS };

if (import.meta.main) {
  const s = Date.now();
  const p = performance.now();
  const DAY: Scenario = {
    name: "a morning",
    pages: Number(Deno.args[0] ?? 10_000),
    minutes: Number(Deno.args[1] ?? 120),
    opening: { minutes: 3, atOnce: 0.2 },
    jobs: { share: 0.2, shortest: 2, longest: 60 },
    hiding: 0.3,
    troubles: [
      { kind: "Auth is down", from: 5, minutes: 5 },
      { kind: "no network", from: 22, minutes: 5 },
      { kind: "slow upstream", from: 40, minutes: 5 },
      { kind: "Auth is down", from: 58, minutes: 5 },
    ].filter(({ from }) => from < Number(Deno.args[1] ?? 120)) as Trouble[],
  };
  const ALL: Scenario = {
    ...DAY,
    name: "all active",
    minutes: 20,
    opening: { minutes: 1, atOnce: 0 },
    jobs: { share: 1, shortest: 2, longest: 13 },
    hiding: 0,
    troubles: [{ kind: "Auth is down", from: 4, minutes: 5 }],
  };
  for (const sc of [DAY, ALL]) {
    const v = await sail(sc);
    const max = (a: number[], f: number, t: number) => Math.max(...a.slice(f, t));
    const mean = (a: number[], f: number, t: number) => a.slice(f, t).reduce((x, y) => x + y, 0) / (t - f);
    console.log(sc.name, "inflight", v.mostInFlight, "signedout", v.signedOut);
    for (const [i, t] of sc.troubles.entries()) {
      const f = t.from * 60, e = f + t.minutes * 60;
      for (const k of ["polls", "auth", "rest", "refreshes"] as const) {
        const st = mean(v.demand[k], f - 120, f);
        console.log(
          t.kind,
          k,
          "steady",
          st.toFixed(1),
          "during>10s max",
          max(v.demand[k], f + 10, e),
          "mean",
          mean(v.demand[k], f + 60, e).toFixed(1),
          "after max",
          max(v.demand[k], e, e + 600),
          "after mean",
          mean(v.demand[k], e + 120, e + 600).toFixed(1),
        );
      }
      const r = v.recoveries[i]!;
      console.log(
        "recovered",
        r.length,
        "p50",
        r[r.length >> 1],
        "p90",
        r[Math.floor(r.length * .9)],
        "max",
        r.at(-1),
      );
    }
    console.log(
      "real s",
      (performance.now() - p) / 1000,
      (Date.now() - s) / 1000,
      "rss",
      Deno.memoryUsage().rss / 1e6,
    );
  }
}
