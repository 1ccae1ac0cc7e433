/**
 * What is copied for React, on a page, under StrictMode. A test writes what is shown, and to whom: "hook ann".
 */

/// <reference lib="dom" />

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Import } from "../../examples/call/react.tsx";
import * as query from "../../examples/call/tanstack_query.ts";
import { type SyncStatusView, useSyncStatus } from "../../examples/react/use_sync_status.ts";

const url = "/functions/v1/get-sync-status";
let signedIn = "";
const getSession = () =>
  Promise.resolve({ data: { session: { access_token: "token", user: { id: signedIn } } }, error: null });
const auth = { getSession, refreshSession: getSession, signOut: () => Promise.resolve() };
type Whose = { userId: string };

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

function View({ userId, status, problem }: Whose & Partial<SyncStatusView>) {
  const progress = status?.active ? `${status.job.progress_percent} %` : "no status";
  return <p>{userId}: {progress}, {problem?.kind ?? "no problem"}</p>;
}

function Watched({ userId }: Whose) {
  const seen = useSyncStatus({ url, auth, userId });
  return (
    <>
      <View userId={userId} {...seen} />
      <button type="button" onClick={seen.pollNow}>Poll</button>
    </>
  );
}

function Fed({ userId }: Whose) {
  query.useSyncStatusFeed(url, auth, userId);
  return [1, 2].map((each) => <Cached key={each} userId={userId} />);
}

const Cached = ({ userId }: Whose) => <View userId={userId} {...query.useSyncStatusQuery(userId)} />;

createRoot(document.body).render(
  <StrictMode>
    <QueryClientProvider client={new QueryClient()}>
      <Page />
    </QueryClientProvider>
  </StrictMode>,
);
