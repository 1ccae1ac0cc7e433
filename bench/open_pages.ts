/**
 * Many open pages at once, on virtual time: the real watchSyncStatus,
 * accessTokenFrom, keepSession and supabase-js, on a service that is modelled
 * by what it is asked and how it fails.
 *
 * @module
 */

import { AuthClient } from "@supabase/supabase-js";
import { accessTokenFrom, keepSession } from "../examples/client/access_token.ts";
import type { SyncStatus } from "../examples/client/types.ts";
import { watchSyncStatus } from "../examples/client/watch_sync_status.ts";
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
  /**
   * Auth is down: it answers 503, and the function 500. No network: nothing
   * arrives. Slow upstream: the answer is right, and takes 9 s.
   */
  kind: "Auth is down" | "no network" | "slow upstream";
  from: number;
  minutes: number;
}

/** When a trouble begins and when it is over, in seconds since the start. */
export const spanOf = ({ from, minutes }: Trouble) => ({ from: from * 60, to: (from + minutes) * 60 });

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

/** What the pages did. */
export interface Outcome {
  demand: Demand;
  /** For each trouble, how long each page that was seen all along needed to show the truth again, in seconds, sorted. */
  recoveries: number[][];
  /** The most polls that one page had in flight. */
  mostInFlight: number;
  /** How many pages were told that they are signed out, or forbidden. */
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

/** Runs a scenario; the same one gives the same outcome each time. */
export async function simulate(scenario: Scenario): Promise<Outcome> {
  const { random } = Math;
  const { fetch, document } = globalThis;
  Math.random = randomOf(1);
  const time = startVirtualTime(START);
  const pages: Page[] = [];
  const seconds = scenario.minutes * 60;
  const zeros = () => new Array<number>(seconds + 1).fill(0);
  const demand: Demand = { polls: zeros(), auth: zeros(), refreshes: zeros(), rest: zeros() };
  const outcome: Outcome = {
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

  const ends = scenario.troubles.map((trouble) => START + spanOf(trouble).to * SECOND);
  const troubleNow = () => {
    const second = (time.now() - START) / SECOND;
    return scenario.troubles.find((trouble) => second >= spanOf(trouble).from && second < spanOf(trouble).to)
      ?.kind;
  };

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

  globalThis.fetch = (async (_url: string, { headers }: { headers: { Authorization: string } }) => {
    const page = pages[Number(headers.Authorization.replace("Bearer access ", ""))];
    if (!page) throw new Error("a poll of no page");
    outcome.mostInFlight = Math.max(outcome.mostInFlight, ++page.inFlight);
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
    // The watch looks for its tab when it begins.
    Object.assign(globalThis, { document: page.tab });
    watchSyncStatus({
      url: URL_OF_FUNCTION,
      getAccessToken: accessTokenFrom(auth),
      signal: new AbortController().signal,
      onStatus() {
        for (; (ends[over] ?? Infinity) <= time.now() - LATENCY_MS; over++) {
          const end = ends[over] ?? NaN;
          if (page.seenSince < end) outcome.recoveries[over]?.push((time.now() - end) / SECOND);
        }
      },
      onError({ kind }) {
        if (kind !== "unreachable") outcome.signedOut++;
      },
    });
    if (Math.random() < scenario.hiding) hide(page, auth);
  }

  function hide(page: Page, auth: InstanceType<typeof AuthClient>): void {
    setTimeout(() => {
      page.tab.show(false);
      page.seenSince = Infinity;
      // As supabase-js itself does in a browser.
      void auth.stopAutoRefresh();
      setTimeout(() => {
        page.tab.show(true);
        page.seenSince = time.now();
        void auth.startAutoRefresh();
        hide(page, auth);
      }, waiting(10 * MINUTE));
    }, waiting(5 * MINUTE));
  }
  /** A time until something that happens by chance, from its mean. */
  const waiting = (mean: number) => -Math.log(1 - Math.random()) * mean;

  const { share, shortest, longest } = scenario.jobs;
  for (let number = 0; number < scenario.pages; number++) {
    // As many jobs from one minute to two as from two to four: short ones are more frequent.
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
    pages.push(page);
    setTimeout(() => open(page), opensIn);
  }
  try {
    await time.passUntil(START + scenario.minutes * MINUTE);
  } finally {
    time.end();
    Math.random = random;
    Object.assign(globalThis, { fetch, document });
  }
  for (const recovery of outcome.recoveries) recovery.sort((a, b) => a - b);
  return outcome;
}
