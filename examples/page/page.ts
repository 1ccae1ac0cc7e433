/**
 * Shows a demo user the agency's import, in British English whatever the browser's language. No button is ever
 * disabled: one that must wait says so and keeps the focus.
 */

import { createClient } from "@supabase/supabase-js";
import { accessTokenFrom, forgetSession, keepSession, watchUserId } from "../client/access_token.ts";
import type { ActiveJob, RecentJob, SyncStatus } from "../client/types.ts";
import { inTime } from "../client/in_time.ts";
import { type JobEstimate, type SyncStatusProblem, watchSyncStatus } from "../client/watch_sync_status.ts";

function part(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}

/** Sets a text only if it is new: a screen reader would read a live region again. */
function set(id: string, text: string): void {
  if (part(id).textContent !== text) part(id).textContent = text;
}

/** Shows an element or hides it; the focus inside moves to another. */
function show(id: string, shown = true, focus = "card"): void {
  if (!shown && part(id).contains(document.activeElement)) part(focus).focus();
  part(id).hidden = !shown;
}

/** Sets the card's title, and announces it with what else is news. */
function setTitle(title: string, more = ""): void {
  set("sign", "");
  set("title", title);
  set("news", title + more);
}

const config: { url: string; publishableKey: string; password: string; users: string[] } =
  await (await fetch("config.json")).json();
const supabase = createClient(config.url, config.publishableKey, { global: { fetch: keepSession() } });

const choice = part("choice").appendChild(document.createElement("select"));
choice.append(...config.users.map((email) => new Option(email)));

let shownUserId: string | undefined;
let watch = new AbortController();

/** Ends the watch and empties the card: nothing of one user is left to the next. */
function clear(): void {
  watch.abort();
  for (const id of ["job", "start"]) show(id, false);
  for (const id of ["message", "notice", "request", "news"]) set(id, "");
}

function showSignIn(message: string): void {
  clear();
  shownUserId = undefined;
  set("message", message);
  show("sign-in");
  for (const id of ["card", "account"]) show(id, false, "submit");
}

function showUser(userId: string): void {
  if (userId === shownUserId) return;
  clear();
  shownUserId = userId;
  setTitle("Looking for an import …");
  for (const id of ["card", "account"]) show(id);
  show("sign-in", false);

  watch = new AbortController();
  const { signal } = watch;
  const { pollNow } = watchSyncStatus({
    url: `${config.url}/functions/v1/get-sync-status`,
    getAccessToken: accessTokenFrom(supabase.auth, userId),
    signal,
    onStatus: showStatus,
    onError: (problem) => showProblem(problem, userId),
  });

  let isStarting = false;
  // A product asks its own back end for this; here the server of the page is one.
  part("start").onclick = async () => {
    if (isStarting) return;
    isStarting = true;
    set("request", "Starting the import …");
    const { data: { session } } = await supabase.auth.getSession();
    const headers = { Authorization: `Bearer ${session?.access_token}` };
    const post = (signal: AbortSignal) => fetch("imports", { method: "POST", headers, signal });
    const answer = await inTime(signal, post).catch(() => undefined);
    if (signal.aborted) return;
    isStarting = false;
    // 409: somebody else of the agency was quicker.
    const isThere = answer?.ok || answer?.status === 409;
    set("request", isThere ? "" : "The import could not be started. Please try again.");
    pollNow();
  };
}

let isSigningIn = false;
part("sign-in").onsubmit = async (event) => {
  event.preventDefault();
  // The answer to an earlier sign-in must not replace the session of a later one.
  if (isSigningIn) return;
  isSigningIn = true;
  set("message", "Signing in …");
  const email = choice.value;
  const credentials = { email, password: config.password };
  const answer = await inTime(null, () => supabase.auth.signInWithPassword(credentials)).catch(() => null);
  isSigningIn = false;
  if (answer?.data.user) return showUser(answer.data.user.id);
  set("message", `${email} could not sign in. Please try again.`);
};

part("sign-out").onclick = () => {
  // In an outage this may take half a minute.
  set("message", "Signing out …");
  void supabase.auth.signOut({ scope: "local" });
};

// supabase-js reports an outage only after half a minute.
const outage = setTimeout(() => set("message", "The service is slow or unreachable. Trying again …"), 2_000);

supabase.auth.onAuthStateChange((_event, session) => set("email", session?.user.email ?? ""));
watchUserId(supabase.auth, (userId) => {
  clearTimeout(outage);
  if (userId) showUser(userId);
  // A form that is shown already says why.
  if (!userId && part("sign-in").hidden) showSignIn(shownUserId ? "You are signed out." : "Please sign in.");
});

const SIGNS = { completed: "✓", failed: "✕", cancelled: "–" };

function showStatus(status: SyncStatus, estimate: JobEstimate | null): void {
  show("start", !status.active);
  if (status.active) return showActive(status.job, estimate);
  set("notice", "");
  const job = status.recent_job;
  show("job", job !== null);
  if (!job) return setTitle("Nothing has been imported yet");
  setTitle(`Last import: ${job.status}`);
  set("sign", SIGNS[job.status]);
  part("sign").className = job.status;
  showJob(job, null, `Requested ${dateTime(job.created_at)}.`);
}

function showActive(job: ActiveJob, estimate: JobEstimate | null): void {
  // A total may be an estimate: the bar is not full as long as there is work.
  const percent = job.progress_percent === null ? null : Math.min(99, job.progress_percent);
  // To a screen reader each call would be noise.
  const news = percent === null ? "" : `: ${Math.floor(percent / 10) * 10}% done`;
  set("request", "");
  setTitle(job.status === "pending" ? "The import is about to start" : "The import is running", news);

  const lastActive = job.last_activity_at ?? job.started_at;
  const isStalled = estimate?.stalled && lastActive;
  set("notice", isStalled ? `The import seems stalled: no activity since ${dateTime(lastActive)}.` : "");

  const started = job.started_at ? `Started ${dateTime(job.started_at)}.` : "";
  const left = estimate?.secondsRemaining ? `${duration(estimate.secondsRemaining)} left.` : "";
  showJob(job, percent, `${started} ${left}`);
}

// A bar without a percentage would move, and seem to know something.
function showJob(job: ActiveJob | RecentJob, percent: number | null, facts: string): void {
  const { processed_calls: processed, total_calls: total } = job;
  show("job");
  set("period", `Calls from ${date(job.date_from)} to ${date(job.date_to)}`);
  const about = total !== null && processed > total ? "about " : "";
  const ofTotal = total === null ? "" : ` of ${about}${whole(total)}`;
  set("done", `${percent === null ? "Processed" : `${percent}% done:`} ${whole(processed)}${ofTotal} calls`);
  show("bar", percent !== null);
  part("bar").setAttribute("value", String(percent ?? 0));
  for (const kind of ["imported", "skipped", "failed"] as const) set(kind, whole(job[`${kind}_calls`]));
  set("facts", facts);
}

function showProblem({ kind }: SyncStatusProblem, userId: string): void {
  if (kind === "unreachable") return set("notice", "The service is unreachable. Trying again …");
  if (kind === "signed_out") {
    showSignIn("Your session is over. Please sign in again.");
    return void forgetSession(supabase.auth, userId).catch(reportError);
  }
  clear();
  setTitle("Your user belongs to no agency");
}

// The period is whole days in UTC; in local time its end could fall on another day.
const date = (timestamp: string) =>
  new Date(timestamp).toLocaleDateString("en-GB", { dateStyle: "medium", timeZone: "UTC" });
const dateTime = (timestamp: string) =>
  new Date(timestamp).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
const whole = (value: number) => value.toLocaleString("en-GB");
function duration(seconds: number): string {
  const [value, unit] = seconds < 5_400 ? [seconds / 60, "minute"] : [seconds / 3_600, "hour"];
  const rounded = Math.max(1, Math.round(value));
  return rounded.toLocaleString("en-GB", { style: "unit", unit, unitDisplay: "long" });
}
