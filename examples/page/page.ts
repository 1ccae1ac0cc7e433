/**
 * The page that shows a sync job: signs a demo user in, watches the status and
 * writes it into the card of index.html.
 *
 * @module
 */

/// <reference lib="dom" />

import { createClient } from "@supabase/supabase-js";
import type { ActiveJob, RecentJob, SyncStatus } from "../client/types.ts";
import { accessTokenFrom, keepSession } from "../client/access_token.ts";
import { outlookOf, type SyncStatusProblem, watchSyncStatus } from "../client/watch_sync_status.ts";

/** What the server of the page tells it. */
interface Config {
  url: string;
  publishableKey: string;
  password: string;
  users: string[];
}

function element<Type extends HTMLElement>(id: string, type: new () => Type): Type {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return found;
}

const view = {
  form: element("sign-in", HTMLFormElement),
  user: element("user", HTMLSelectElement),
  submit: element("submit", HTMLButtonElement),
  card: element("card", HTMLElement),
  title: element("title", HTMLHeadingElement),
  notice: element("notice", HTMLParagraphElement),
  job: element("job", HTMLDivElement),
  whose: element("whose", HTMLParagraphElement),
  period: element("period", HTMLParagraphElement),
  bar: element("bar", HTMLDivElement),
  progress: element("progress", HTMLProgressElement),
  label: element("progress-label", HTMLLabelElement),
  outlook: element("outlook", HTMLParagraphElement),
  counts: element("counts", HTMLElement),
  start: element("start", HTMLButtonElement),
  titleAnnouncer: element("title-announcer", HTMLParagraphElement),
  progressAnnouncer: element("progress-announcer", HTMLParagraphElement),
};

const config: Config = await (await fetch("config.json")).json();
const supabase = createClient(config.url, config.publishableKey, { global: { fetch: keepSession() } });
const getAccessToken = accessTokenFrom(supabase.auth);

view.user.replaceChildren(...config.users.map((email) => new Option(email, email)));

let watch = new AbortController();
let pollNow = () => {};
/** Whose job the card shows. */
let watched: string | undefined;
let signingIn = false;

/** Shows the job of a user from now on. */
function show({ id, email = "" }: { id: string; email?: string }): void {
  watched = id;
  view.user.value = email;
  watch.abort();
  watch = new AbortController();
  clear();
  view.whose.textContent = email;
  title("Looking for an import …");
  ({ pollNow } = watchSyncStatus({
    url: `${config.url}/functions/v1/get-sync-status`,
    getAccessToken,
    signal: watch.signal,
    onStatus: showStatus,
    onError: showProblem,
  }));
}

// A session that another tab began, or that the last visit left. No session is
// not yet the end of one: the watch says when it is.
supabase.auth.onAuthStateChange((_event, session) => {
  if (session && !signingIn && session.user.id !== watched) show(session.user);
});

view.form.addEventListener("submit", async (event) => {
  event.preventDefault();
  // One sign-in at a time: the answer to an earlier one must not replace the session of a later one.
  if (signingIn) return;
  signingIn = true;
  view.submit.setAttribute("aria-disabled", "true");
  watch.abort();
  clear();
  title("Signing in …");
  const { data, error } = await supabase.auth.signInWithPassword({
    email: view.user.value,
    password: config.password,
  });
  signingIn = false;
  view.submit.removeAttribute("aria-disabled");
  if (data.user) return show(data.user);
  title(error?.code === "invalid_credentials" ? "This user could not sign in" : "The service is unreachable");
});

// A product asks its own back end for this; here the server of the page is one.
view.start.addEventListener("click", async () => {
  const { signal } = watch;
  const answer = await getAccessToken({ refresh: false })
    .then((token) =>
      fetch("imports", { method: "POST", headers: { Authorization: `Bearer ${token}` }, signal })
    )
    .catch(() => undefined);
  if (signal.aborted) return;
  // 409: an import runs already, which another page may have started.
  if (answer?.ok || answer?.status === 409) pollNow();
  else notice("The import could not be started. Please try again.");
});

// Only now does signing in do anything.
view.submit.disabled = false;

/** Shows an empty card: nothing of the user before is left in it. */
function clear(): void {
  view.card.hidden = false;
  view.job.hidden = true;
  view.start.hidden = true;
  for (const part of [view.title, view.whose, view.period, view.label, view.outlook, view.counts]) {
    part.textContent = "";
  }
  view.progressAnnouncer.textContent = "";
  notice("");
}

const RESULTS = {
  completed: "The last import is complete",
  failed: "The last import failed",
  cancelled: "The last import was cancelled",
};

function showStatus(status: SyncStatus): void {
  notice("");
  view.start.hidden = status.active;
  if (status.active) return showActive(status.job);
  if (!status.recent_job) {
    view.job.hidden = true;
    return title("Nothing has been imported yet");
  }
  title(RESULTS[status.recent_job.status]);
  showJob(status.recent_job);
  view.bar.hidden = true;
  view.outlook.textContent = `Requested ${dateTime(status.recent_job.created_at)}`;
}

function showActive(job: ActiveJob): void {
  title(job.status === "pending" ? "The import is about to start" : "The import is running");
  showJob(job);
  view.bar.hidden = false;
  view.label.textContent = progressOf(job);
  // Without a value the bar is indeterminate, which is what is known.
  if (job.progress_percent === null) view.progress.removeAttribute("value");
  else view.progress.value = job.progress_percent;

  const { callsPerSecond, secondsRemaining, stalled } = outlookOf(job);
  const lastSign = job.last_activity_at ?? job.started_at;
  if (stalled && lastSign) notice(`The import seems stalled: no activity since ${dateTime(lastSign)}.`);
  view.outlook.textContent = [
    job.started_at ? `Started ${dateTime(job.started_at)}` : "",
    secondsRemaining === null ? "" : `${duration(secondsRemaining)} left`,
    callsPerSecond === null || stalled ? "" : rate(callsPerSecond),
  ].filter(Boolean).map((part) => part.replaceAll(" ", "\u00a0")).join(" · ");
  // Each tenth is news to a screen reader; each call would be noise.
  if (job.progress_percent !== null) {
    announce(view.progressAnnouncer, `${Math.floor(job.progress_percent / 10) * 10} % done`);
  }
}

function progressOf({ status, progress_percent }: ActiveJob): string {
  if (progress_percent !== null) return `${progress_percent} % done`;
  return status === "pending" ? "Waiting for its turn" : "Counting the calls";
}

function showJob(job: ActiveJob | RecentJob): void {
  view.job.hidden = false;
  view.period.textContent = `Calls from ${date(job.date_from)} to ${date(job.date_to)}`;
  const counts = {
    "Total": job.total_calls,
    "Processed": job.processed_calls,
    "Imported": job.imported_calls,
    "Skipped": job.skipped_calls,
    "Failed": job.failed_calls,
  };
  view.counts.replaceChildren(
    ...Object.entries(counts).map(([term, calls]) => {
      const [group, dt, dd] = [
        document.createElement("div"),
        document.createElement("dt"),
        document.createElement("dd"),
      ];
      dt.textContent = term;
      dd.textContent = calls === null ? "unknown" : number(calls);
      group.append(dt, dd);
      return group;
    }),
  );
}

function showProblem(problem: SyncStatusProblem): void {
  if (problem.kind === "unreachable") {
    const next = `Next try in ${duration(problem.retryInMs / 1_000)}.`;
    if (!view.job.hidden) {
      return notice(`The service is unreachable; what is shown may be out of date. ${next}`);
    }
    title("The service is unreachable");
    return notice(next);
  }
  clear();
  if (problem.kind === "forbidden") return title("Your user belongs to no agency");
  watched = undefined;
  title("Your session is over. Please sign in again.");
}

function title(text: string): void {
  view.title.textContent = text;
  announce(view.titleAnnouncer, text);
}

function notice(text: string): void {
  view.notice.hidden = !text;
  if (view.notice.textContent !== text) view.notice.textContent = text;
}

/** Tells a screen reader, politely, and only what is new. */
function announce(announcer: HTMLElement, text: string): void {
  if (announcer.textContent !== text) announcer.textContent = text;
}

const number = (value: number) => value.toLocaleString();
// The period is whole days in UTC; in local time its end could fall on another day.
const date = (timestamp: string) =>
  new Date(timestamp).toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
const dateTime = (timestamp: string) =>
  new Date(timestamp).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Calls per second, or per minute where that would be none. */
function rate(callsPerSecond: number): string {
  return callsPerSecond < 1
    ? `${number(Math.max(1, Math.round(callsPerSecond * 60)))} calls per minute`
    : `${number(Math.round(callsPerSecond))} calls per second`;
}

function duration(seconds: number): string {
  const [value, unit] = seconds < 90
    ? [seconds, "second"]
    : seconds < 5_400
    ? [seconds / 60, "minute"]
    : [seconds / 3_600, "hour"];
  return Math.max(1, Math.round(value)).toLocaleString(undefined, {
    style: "unit",
    unit,
    unitDisplay: "long",
  });
}
