/**
 * The page that shows a sync job: signs a demo user in, watches the status and
 * writes it into the card of index.html. Its words, dates and numbers are
 * British English (en-GB), whatever the browser's language.
 *
 * Once it runs, a button that must wait is `aria-disabled`, not `disabled`: it
 * keeps the focus.
 */

/// <reference lib="dom" />

import { createClient, type User } from "@supabase/supabase-js";
import { accessTokenFrom, forgetSession, keepSession } from "../client/access_token.ts";
import type { ActiveJob, RecentJob, SyncStatus } from "../client/types.ts";
import { deriveOutlook, type SyncStatusProblem, watchSyncStatus } from "../client/watch_sync_status.ts";

/** What the server of the page says. */
interface Config {
  url: string;
  publishableKey: string;
  password: string;
  users: string[];
}

/** Finds an element of index.html. */
function part(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}

/** Sets a text, and only if it is new: a screen reader would read a live region again. */
function set(id: string, text: string): void {
  if (part(id).textContent !== text) part(id).textContent = text;
}

/** Hides elements; the focus inside of one moves to another element. */
function hide(ids: string[], focus = "title"): void {
  for (const id of ids) {
    if (part(id).contains(document.activeElement)) part(focus).focus();
    part(id).hidden = true;
  }
}

const setBusy = (id: string, busy: boolean) => part(id).ariaDisabled = String(busy);
const isBusy = (id: string) => part(id).ariaDisabled === "true";

const config: Config = await (await fetch("config.json")).json();
const supabase = createClient(config.url, config.publishableKey, { global: { fetch: keepSession() } });

const choice = part("choice").appendChild(document.createElement("select"));
choice.append(...config.users.map((email) => new Option(email)));

/** Whose job the card shows. */
let shown: User | undefined;
let watch = new AbortController();
/** Settles when a session that is over has been forgotten, so that the next sign-in's is not. */
let forgotten = Promise.resolve();

/** Ends the watch and empties the card: nothing of the user before is left in it. */
function leave(status: string): void {
  watch.abort();
  shown = undefined;
  hide(["card", "job", "start", "retry"], "submit");
  for (const id of ["notice", "news"]) set(id, "");
  set("sign-in-status", status);
}

/** Shows the job of a user from now on. */
function show(user: User): void {
  leave("");
  shown = user;
  const { signal } = watch = new AbortController();
  const getAccessToken = accessTokenFrom(supabase.auth, user.id);
  choice.value = user.email ?? "";
  set("whose", choice.value);
  setBusy("start", false);
  part("card").hidden = false;
  title("Looking for an import …");
  /** Whether the request for an import is under way: until it is answered no status says anything of it. */
  let starting = false;
  const { pollNow } = watchSyncStatus({
    url: `${config.url}/functions/v1/get-sync-status`,
    getAccessToken,
    signal,
    onStatus: (status) => starting || showStatus(status),
    onError: (problem) => showProblem(problem, user),
  });

  part("try").onclick = () => {
    retryAt = 0;
    countDown();
    set("notice", "Trying again …");
    pollNow();
  };

  // A product asks its own back end for this; here the server of the page is one.
  part("start").onclick = async () => {
    if (isBusy("start")) return;
    starting = true;
    setBusy("start", true);
    set("notice", "Starting the import …");
    const token = await getAccessToken({ refresh: false }).catch(() => null);
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await fetch("imports", { method: "POST", headers, signal }).catch(() => undefined);
    if (signal.aborted) return;
    starting = false;
    if (answer?.ok) return pollNow();
    setBusy("start", false);
    set("notice", "The import could not be started. Please try again.");
  };
}

part("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  // One sign-in at a time: the answer to an earlier one must not replace the session of a later one.
  if (isBusy("submit")) return;
  setBusy("submit", true);
  const email = choice.value;
  // Whoever is signed in still is, and stays on the page if this fails.
  set("sign-in-status", "Signing in …");
  // The answer to its sign-out may never come.
  await Promise.race([forgotten, new Promise((resolve) => setTimeout(resolve, 15_000))]);
  const { data, error } = await supabase.auth.signInWithPassword({ email, password: config.password });
  setBusy("submit", false);
  if (data.user) return show(data.user);
  const reason = error?.code === "invalid_credentials" ? "wrong password" : "the service is unreachable";
  set("sign-in-status", `${email} could not sign in: ${reason}. Please try again.`);
});

// A session that another tab began, or that the last visit left. No session is
// not yet the end of one: the watch says when it is.
supabase.auth.onAuthStateChange(async (event, session) => {
  // The sign-in under way shows its own user; a session that was stored may return meanwhile.
  const isOwn = event === "SIGNED_IN" && isBusy("submit");
  if (session && !isOwn && session.user.id !== shown?.id) show(session.user);
  if (event === "SIGNED_OUT" && !shown) set("sign-in-status", "Your session is over. Please sign in again.");
  // In an outage the first event has no session, although one is stored; a later event has it.
  if (session || event !== "INITIAL_SESSION") return;
  const { error } = await supabase.auth.getSession();
  if (error && !shown && !isBusy("submit")) {
    set("sign-in-status", "The service is unreachable. Trying again …");
  }
});

// Only now does signing in do anything.
part("submit").removeAttribute("disabled");

const RESULTS = {
  completed: "The last import is complete",
  failed: "The last import failed",
  cancelled: "The last import was cancelled",
};

function showStatus(status: SyncStatus): void {
  hide(["retry"]);
  part("start").hidden = false;
  if (status.active) return showActive(status.job);
  set("notice", "");
  setBusy("start", false);
  part("job").hidden = !status.recent_job;
  if (!status.recent_job) return title("Nothing has been imported yet");
  title(RESULTS[status.recent_job.status]);
  showJob(status.recent_job, [`Requested ${dateTime(status.recent_job.created_at)}.`]);
}

function showActive(job: ActiveJob): void {
  const { progress_percent: percent, started_at, last_activity_at } = job;
  const pending = job.status === "pending";
  // Each tenth is news to a screen reader; each call would be noise.
  const news = percent === null ? "" : `: ${Math.floor(percent / 10) * 10}% done`;
  title(pending ? "The import is about to start" : "The import is running", news);

  const { callsPerSecond, secondsRemaining, stalled } = deriveOutlook(job);
  const facts = started_at ? [`Started ${dateTime(started_at)}.`] : [];
  if (secondsRemaining !== null) facts.push(`${duration(secondsRemaining)} left.`);
  if (callsPerSecond !== null && !stalled) facts.push(`Calls per minute: ${roughly(callsPerSecond * 60)}.`);
  showJob(job, facts);
  const active = last_activity_at ?? started_at;
  set("notice", stalled && active ? `The import seems stalled: no activity since ${dateTime(active)}.` : "");

  setBusy("start", true);
  part("bar").hidden = false;
  set(
    "progress-label",
    percent !== null ? `${percent}% done` : pending ? "Waiting for its turn" : "Counting the calls",
  );
  // Without a value the bar is indeterminate, which is what is known.
  if (percent === null) part("progress").removeAttribute("value");
  else part("progress").setAttribute("value", String(percent));
}

/** Shows what each job says, and these facts. */
function showJob(job: ActiveJob | RecentJob, facts: string[]): void {
  part("job").hidden = false;
  part("bar").hidden = true;
  set("period", `Calls from ${date(job.date_from)} to ${date(job.date_to)}`);
  set("outlook", facts.join(" "));
  const total = job.total_calls === null ? "" : ` of ${whole(job.total_calls)}`;
  const done = `Processed ${whole(job.processed_calls)}${total} calls: ${whole(job.imported_calls)} imported`;
  set("counts", `${done}, ${whole(job.skipped_calls)} skipped, ${whole(job.failed_calls)} failed.`);
}

function showProblem(problem: SyncStatusProblem, user: User): void {
  switch (problem.kind) {
    case "unreachable": {
      const outdated = part("job").hidden ? "" : " What is shown may be out of date.";
      set("notice", `The service is unreachable.${outdated}`);
      retryAt = performance.now() + problem.retryInMs;
      countDown();
      part("retry").hidden = false;
      return;
    }
    case "forbidden":
      set("notice", "");
      hide(["job", "start", "retry"]);
      return title("Your user belongs to no agency");
    case "signed_out":
      leave("Your session is over. Please sign in again.");
      forgotten = forgetSession(supabase.auth, user.id).catch(reportError);
  }
}

/** When the watch polls again after a failure, by performance.now(). */
let retryAt = 0;

/** In no live region: a screen reader would read each second. */
function countDown(): void {
  const left = retryAt - performance.now();
  set("countdown", left > 0 ? `Next try in ${inWords(left / 1_000, "second")}.` : "");
}
setInterval(countDown, 1_000);

/** Sets the title, and announces it with what else is news. */
function title(text: string, more = ""): void {
  set("title", text);
  set("news", text + more);
}

// The period is whole days in UTC; in local time its end could fall on another day.
const date = (timestamp: string) =>
  new Date(timestamp).toLocaleDateString("en-GB", { dateStyle: "medium", timeZone: "UTC" });
const dateTime = (timestamp: string) =>
  new Date(timestamp).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
const whole = (value: number) => value.toLocaleString("en-GB");
const roughly = (value: number) => value.toLocaleString("en-GB", { maximumSignificantDigits: 2 });
const duration = (seconds: number) =>
  seconds < 5_400 ? inWords(seconds / 60, "minute") : inWords(seconds / 3_600, "hour");
const inWords = (value: number, unit: string) =>
  Math.max(1, Math.round(value)).toLocaleString("en-GB", { style: "unit", unit, unitDisplay: "long" });
