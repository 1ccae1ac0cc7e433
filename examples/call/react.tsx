"use client";

import { useEffect, useState } from "react";
import { createClient } from "@supabase/supabase-js";
import { forgetSession, keepSession } from "../client/access_token";
import { useSyncStatus } from "../react/use_sync_status";

const project = "https://project-ref.supabase.co";
const supabase = createClient(project, "publishable key", { global: { fetch: keepSession() } });

/** The id of the signed-in user: null if nobody is signed in, undefined while that is not known. */
function useUserId() {
  const [userId, setUserId] = useState<string | null>();
  useEffect(() => {
    const { data: { subscription } } = supabase.auth.onAuthStateChange((event, session) => {
      if (session || event === "SIGNED_OUT") return setUserId(session?.user.id ?? null);
      // In an outage the first event has no session, although one is stored; a later event will have it.
      void supabase.auth.getSession().then(({ data: { session }, error }) =>
        error || setUserId((known) => known ?? session?.user.id ?? null)
      );
    });
    return () => subscription.unsubscribe();
  }, []);
  return userId;
}

/** Shows the import of the user's agency; `startImport` is yours. */
export function Import({ startImport }: { startImport: () => Promise<void> }) {
  const userId = useUserId();
  const url = `${project}/functions/v1/get-sync-status`;
  const { status, outlook, problem, pollNow } = useSyncStatus({ url, auth: supabase.auth, userId });
  const signedOut = problem?.kind === "signed_out";
  useEffect(() => {
    if (signedOut && userId) void forgetSession(supabase.auth, userId);
  }, [signedOut, userId]);
  if (userId === undefined) return <p>Loading …</p>;
  if (!userId || signedOut) return <p>Please sign in.</p>;
  if (problem?.kind === "forbidden") return <p>Your user belongs to no agency.</p>;
  return (
    <section>
      {problem && <p>The service is unreachable.</p>}
      {status?.active && (
        <progress aria-label="Import" value={status.job.progress_percent ?? undefined} max={100} />
      )}
      {outlook?.stalled && <p>The import seems stalled.</p>}
      {status?.active === false && <p>Last import: {status.recent_job?.status ?? "none yet"}</p>}
      <button type="button" onClick={() => startImport().then(pollNow, reportError)}>Start an import</button>
    </section>
  );
}
