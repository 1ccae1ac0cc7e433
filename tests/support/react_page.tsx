/**
 * What is copied for React, on a page, under StrictMode. A test writes what is shown, and to whom: "hook ann".
 *
 * @module
 */

/// <reference lib="dom" />

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Import } from "../../examples/call/react.tsx";
import * as query from "../../examples/call/tanstack_query.ts";
import type { SupabaseAuth } from "../../examples/client/access_token.ts";
import type { SyncStatus } from "../../examples/client/types.ts";
import { useSyncStatus } from "../../examples/react/use_sync_status.ts";

const url = "/functions/v1/get-sync-status";
let signedIn = "";
const session = (access_token: string) =>
  Promise.resolve({ data: { session: { access_token, user: { id: signedIn } } }, error: null });
/** Like supabase-js's, with tokens that say whose they are. */
const auth: SupabaseAuth = {
  getSession: () => session(signedIn),
  refreshSession: () => session(`${signedIn}, refreshed`),
  signOut: () => Promise.resolve(),
};

function Page() {
  const [[what, userId = ""], setShown] = useState<string[]>([]);
  const show = async (shown: string[]) => {
    // As supabase-js reports it, after an answer: there React paints before it runs effects.
    await fetch("/");
    signedIn = shown[1] ?? "";
    setShown(shown);
  };
  return (
    <>
      <input onChange={(event) => void show(event.target.value.split(" "))} />
      <main>
        {what === "hook" && <Watched userId={userId} />}
        {what === "query" && <Fed userId={userId} />}
        {what === "example" && <Import startImport={() => Promise.resolve()} />}
      </main>
    </>
  );
}

const progressIn = (status: SyncStatus | null = null) =>
  status?.active ? `${status.job.progress_percent} %` : status ? "no job" : "no status";

function Watched({ userId }: { userId: string }) {
  const { status, outlook, problem, pollNow } = useSyncStatus({ url, auth, userId });
  return (
    <>
      <p>{userId}: {progressIn(status)}</p>
      <p>{outlook ? `${outlook.callsPerSecond} calls per second` : "no outlook"}</p>
      <p>{problem?.kind ?? "no problem"}</p>
      <button type="button" onClick={pollNow}>Poll</button>
    </>
  );
}

function Fed({ userId }: { userId: string }) {
  query.useSyncStatusFeed(url, auth, userId);
  return [1, 2].map((each) => <Cached key={each} userId={userId} />);
}

function Cached({ userId }: { userId: string }) {
  const { status, problem } = query.useSyncStatus(userId);
  return <p>{progressIn(status)}, {problem?.kind ?? "no problem"}</p>;
}

const root = document.getElementById("root");
const page = (
  <QueryClientProvider client={new QueryClient()}>
    <Page />
  </QueryClientProvider>
);
if (root) createRoot(root).render(<StrictMode>{page}</StrictMode>);
