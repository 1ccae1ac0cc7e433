import { createClient } from "@supabase/supabase-js";
import * as jobs from "../examples/call/worker.ts";
import { SECRET_KEY, type Stack } from "./stack.ts";

/** Starts a worker on a stack, so that there is something to watch. */
export function startDemoWorker({ url, sql }: Pick<Stack, "url" | "sql">, callsPerSecond = 2) {
  const supabase = createClient(url, SECRET_KEY);
  const work = async () => {
    const pending = await jobs.next(supabase);
    if (pending) await jobs.start(supabase, pending.id, 240);
    const { data } = await supabase.from("historical_sync_jobs").select().eq("status", "in_progress");
    for (const { id, total_calls, processed_calls, imported_calls } of data ?? []) {
      const calls = Math.min(callsPerSecond, (total_calls ?? Infinity) - processed_calls);
      const counters = { processed_calls: processed_calls + calls, imported_calls: imported_calls + calls };
      await jobs.progress(supabase, id, counters);
      if (counters.processed_calls === total_calls) await jobs.end(supabase, id, "completed");
    }
  };
  let stopped = false;
  const ended = (async () => {
    // The seeded job began long ago; it goes on as if it had always been at this pace.
    await sql("update public.historical_sync_jobs set started_at = now() - interval '375 s'");
    while (!stopped) {
      await work().catch((error) => console.error("The demo worker failed:", error));
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  })();
  return {
    stop() {
      stopped = true;
      return ended;
    },
  };
}
