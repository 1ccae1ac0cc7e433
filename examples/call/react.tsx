"use client";

import { useEffect } from "react";
import { createClient } from "@supabase/supabase-js";
import { accessTokenFrom, keepSession } from "../client/access_token.ts";
import { useSyncStatus } from "../react/use_sync_status.ts";

const project = "https://project-ref.supabase.co";
const supabase = createClient(project, "publishable key", { global: { fetch: keepSession() } });
const getAccessToken = accessTokenFrom(supabase.auth);

/**
 * Shows the import of the user's agency. `userId` is that of supabase-js's session, null where there is none,
 * undefined until `onAuthStateChange` has told; `startImport` is yours.
 */
export function Import(props: { userId: string | null | undefined; startImport: () => Promise<void> }) {
  const { userId, startImport } = props;
  const { status, outlook, problem, pollNow } = useSyncStatus({
    url: `${project}/functions/v1/get-sync-status`,
    userId,
    getAccessToken,
  });
  // supabase-js keeps a session that ended elsewhere until its access token expires.
  const signedOut = problem?.kind === "signed_out";
  useEffect(() => {
    if (signedOut) void supabase.auth.signOut({ scope: "local" });
  }, [signedOut]);
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
