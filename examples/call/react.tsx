"use client";

import { useEffect, useState } from "react";
import type { SupabaseClient } from "@supabase/supabase-js";
import { watchUserId } from "../client/access_token";
import type { ActiveJob, RecentJob } from "../client/types";
import type { JobEstimate } from "../client/watch_sync_status";
import { useSyncStatus } from "../react/use_sync_status";

interface Props {
  /** Made once: `createClient(project, key, { global: { fetch: keepSession() } })`. */
  supabase: SupabaseClient;
  /** `https://<ref>.supabase.co/functions/v1/get-sync-status`. */
  url: string;
  /** Asks your back end for an import, and gives its response: 409 if one runs already. */
  start: () => Promise<Response>;
}

/** Shows the import of the signed-in user's agency. */
export function Import({ supabase, url, start }: Props) {
  const [userId, setUserId] = useState<string | null>();
  useEffect(() => watchUserId(supabase.auth, setUserId), [supabase]);
  const { status, estimate, problem, pollNow } = useSyncStatus({ url, auth: supabase.auth, userId });

  if (userId === null || problem?.kind === "signed_out") return <p>Please sign in.</p>;
  if (problem?.kind === "forbidden") return <p>Your user belongs to no agency.</p>;
  if (!status) return problem ? <p>The service is unreachable. Trying again …</p> : <Waiting />;
  return (
    <section>
      {problem && <p>The service is unreachable. What is shown may be out of date.</p>}
      {status.active
        ? <Running job={status.job} estimate={estimate} />
        : <Idle key={status.recent_job?.id} job={status.recent_job} start={start} pollNow={pollNow} />}
    </section>
  );
}

/** Nothing is known yet. In an outage of Auth that lasts for minutes. */
function Waiting() {
  const [isLate, setIsLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsLate(true), 5_000);
    return () => clearTimeout(timer);
  }, []);
  return <p>{isLate ? "No answer yet. The service may be unreachable." : "Loading …"}</p>;
}

function Running({ job, estimate }: { job: ActiveJob; estimate: JobEstimate | null }) {
  const { processed_calls: processed, total_calls: total } = job;
  // A total may be an estimate, and too low. Without a value the bar says only that work goes on.
  const isMeasured = total !== null && processed < total;
  const counts = isMeasured
    ? `${Math.min(99, job.progress_percent ?? 0)} %, ${processed} of ${total}`
    : processed;
  const minutesLeft = Math.ceil((estimate?.secondsRemaining ?? 0) / 60);
  return (
    <>
      <h2>The import is {job.status === "pending" ? "about to start" : "running"}</h2>
      <progress aria-label="Import" max={total ?? undefined} value={isMeasured ? processed : undefined} />
      <p>{counts} calls so far</p>
      {minutesLeft > 0 && <p>About {minutesLeft} min left</p>}
      {estimate?.stalled && <p>The import seems stalled.</p>}
    </>
  );
}

/** After an accepted start the button stays disabled: the next status puts the running import in its place. */
function Idle(
  { job, start, pollNow }: Pick<Props, "start"> & { job: RecentJob | null; pollNow: () => void },
) {
  const [state, setState] = useState<"ready" | "asked" | "refused">("ready");
  async function ask() {
    setState("asked");
    const response = await start().catch(() => null);
    // 409: somebody else was quicker, and the next status shows that import.
    if (!response?.ok && response?.status !== 409) setState("refused");
    pollNow();
  }
  return (
    <>
      <h2>{job ? `Last import: ${job.status}` : "Nothing has been imported yet"}</h2>
      {job && <p>{job.imported_calls} imported, {job.skipped_calls} skipped, {job.failed_calls} failed</p>}
      <button type="button" disabled={state === "asked"} onClick={ask}>Start an import</button>
      {state === "refused" && <p role="alert">The import could not be started.</p>}
    </>
  );
}
