/**
 * What is copied for React, on a page, under StrictMode: the hook with two components that share one watch, the
 * example with supabase-js, and the example with TanStack Query. The tests change who is signed in and what is mounted.
 *
 * @module
 */

/// <reference lib="dom" />

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createContext, StrictMode, useContext, useState } from "react";
import { createRoot } from "react-dom/client";
import { Import } from "../../examples/call/react.tsx";
import * as query from "../../examples/call/tanstack_query.ts";
import { type SyncStatusView, useSyncStatus } from "../../examples/react/use_sync_status.ts";
import type { SupabaseAuth } from "../../examples/client/access_token.ts";

const url = "/functions/v1/get-sync-status";
const cache = new QueryClient();
let signedIn = "";

/** As supabase-js, with tokens that say whose they are. */
const answer = (token: string) =>
  Promise.resolve({ data: { session: { access_token: token, user: { id: signedIn } } }, error: null });
const auth: SupabaseAuth = {
  getSession: () => answer(`token of ${signedIn}`),
  refreshSession: () => answer(`fresh token of ${signedIn}`),
  signOut: () => Promise.resolve(),
};

function Page() {
  const [userId, setUserId] = useState<string | null>(null);
  const [mounted, setMounted] = useState("nothing");
  const signIn = (user: string) =>
    // As supabase-js reports it, after an answer: there React paints before it runs effects.
    fetch("/auth").then(() => setUserId((signedIn = user) || null));
  return (
    <>
      <Field label="User" set={signIn} />
      <Field label="Mounted" set={setMounted} />
      <main>
        {mounted === "hook" && <Watched userId={userId} />}
        {mounted === "example" && <Import startImport={() => Promise.resolve()} />}
        {mounted === "query" && userId && <Fed userId={userId} />}
      </main>
    </>
  );
}

function Field({ label, set }: { label: string; set: (value: string) => void }) {
  return (
    <label>
      {label} <input onChange={(event) => set(event.target.value)} />
    </label>
  );
}

const View = createContext<SyncStatusView | null>(null);

function Watched({ userId }: { userId: string | null }) {
  return (
    <View value={useSyncStatus({ url, auth, userId })}>
      <p>{userId ?? "nobody"}</p>
      <Progress />
      <Outlook />
    </View>
  );
}

const progressIn = (status: query.Seen["status"] | null) =>
  status?.active ? `${status.job.progress_percent} %` : status ? "no job" : "no status";

function Progress() {
  return <p>{progressIn(useContext(View)?.status)}</p>;
}

function Outlook() {
  const view = useContext(View);
  return (
    <>
      <p>{view?.outlook ? `${view.outlook.callsPerSecond} calls per second` : "no outlook"}</p>
      <p>{view?.problem?.kind ?? "no problem"}</p>
      <button type="button" onClick={view?.pollNow}>Poll</button>
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
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={cache}>
        <Page />
      </QueryClientProvider>
    </StrictMode>,
  );
}
