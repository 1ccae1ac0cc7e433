/**
 * The hook of examples/react on a page, under StrictMode: two components with one
 * watch. The tests change who is signed in, the token, and what is mounted.
 *
 * @module
 */

/// <reference lib="dom" />

import { createContext, StrictMode, useContext, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { Import } from "../../examples/call/react.tsx";
import { type SyncStatusView, useSyncStatus } from "../../examples/react/use_sync_status.ts";

function Page() {
  const [userId, setUserId] = useState<string | null>(null);
  const [token, setToken] = useState("token");
  const [mounted, setMounted] = useState("nothing");
  return (
    <>
      {/* As supabase-js tells it, after an answer: there React paints before it runs effects. */}
      <Field label="User" set={(value) => fetch("/auth").then(() => setUserId(value || null))} />
      <Field label="Token" set={setToken} />
      <Field label="Mounted" set={setMounted} />
      <main>
        {mounted === "hook" && <Watched userId={userId} token={token} />}
        {mounted === "example" && <Import userId={userId} startImport={() => Promise.resolve()} />}
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

function Watched({ userId, token }: { userId: string | null; token: string }) {
  useEffect(() => {
    document.title += " mounted";
  }, []);
  const view = useSyncStatus({
    url: "/functions/v1/get-sync-status",
    userId,
    getAccessToken: ({ refresh }) => Promise.resolve(refresh ? "refreshed token" : token),
  });
  return (
    <View value={view}>
      <p>{userId ?? "nobody"}</p>
      <Progress />
      <Outlook />
    </View>
  );
}

function Progress() {
  const status = useContext(View)?.status;
  return <p>{status?.active ? `${status.job.progress_percent} %` : status ? "no job" : "no status"}</p>;
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

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Page />
    </StrictMode>,
  );
}
