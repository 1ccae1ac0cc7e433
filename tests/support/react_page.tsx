/** A test writes what is shown, to whom, what is added to the address, and which project: "hook ann ?query other". */

/// <reference lib="dom" />

import { createClient } from "@supabase/supabase-js";
import { keepPreviousData, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import { Import } from "../../examples/call/react.tsx";
import { useSyncStatusFeed, useSyncStatusQuery } from "../../examples/call/tanstack_query.ts";
import { keepSession } from "../../examples/client/access_token.ts";
import { useSyncStatus, type UseSyncStatusOptions } from "../../examples/react/use_sync_status.ts";

const supabase = createClient("https://project-ref.supabase.co", "key", { global: { fetch: keepSession() } });
const other = createClient("https://other.supabase.co", "key");
const cache = new QueryClient({ defaultOptions: { queries: { placeholderData: keepPreviousData } } });
const start = () => fetch("/imports", { method: "POST" });
const userIds: Record<string, string | null> = { ann: "ann", bob: "bob", nobody: null };
type Props = UseSyncStatusOptions & { who: string };

function Page() {
  const [[what, who = "", query = "", project], setShown] = useState<string[]>([]);
  const show = (shown: string[]) => {
    const [, id, , project = "project-ref"] = shown;
    const expires_at = id === "expired" ? 1 : 1e10;
    const session = { access_token: project, refresh_token: "r", expires_at, user: { id } };
    if (id) localStorage.setItem(`sb-${project}-auth-token`, JSON.stringify(session));
    setShown(shown);
  };
  const url = `/functions/v1/get-sync-status${query}`;
  const { auth } = project === "other" ? other : supabase;
  const seen = { who, url, auth, userId: userIds[who] };
  return (
    <StrictMode>
      <QueryClientProvider client={cache}>
        <input onChange={(event) => show(event.target.value.split(" "))} />
        {what === "hook" && <Seen useSeen={useSyncStatus} {...seen} />}
        {(what === "query" || what === "feed") && <Fed isShown={what === "query"} {...seen} />}
        {what === "example" && <Import key={who} {...{ supabase, url, start }} />}
      </QueryClientProvider>
    </StrictMode>
  );
}

function Fed({ isShown, ...seen }: Props & { isShown: boolean }) {
  useSyncStatusFeed(seen);
  const useSeen = ({ userId }: UseSyncStatusOptions) => useSyncStatusQuery(userId);
  return isShown && [1, 2].map((key) => <Seen key={key} useSeen={useSeen} {...seen} />);
}

/** A button that polls, and says what is seen, as does each render to the console. */
function Seen({ who, useSeen, ...options }: Props & { useSeen: typeof useSyncStatus }) {
  const { status, estimate, problem, pollNow } = useSeen(options);
  const first = useMemo(() => pollNow, [who]);
  const job = status?.active ? `${status.job.progress_percent} %, ${estimate?.callsPerSecond}/s` : "idle";
  const text = `${who}: ${status ? job : "no status"}, ${problem?.kind ?? "no problem"}`;
  console.log(text);
  return <button type="button" onClick={pollNow}>{pollNow === first ? text : "another pollNow"}</button>;
}

createRoot(document.body).render(<Page />);
