/**
 * A worker as a back end would write it, so that there is something to watch:
 * drives the first agency's job through its life as service_role, again and again.
 *
 * @module
 */

import { createClient } from "@supabase/supabase-js";
import type { Database } from "../supabase/functions/get-sync-status/database.types.ts";
import { SECRET_KEY } from "./stack.ts";

const AGENCY = "a0000000-0000-4000-8000-000000000001";
const TOTAL_CALLS = 1500;

/** Calls per step: the whole import takes about forty. */
const CALLS_PER_STEP = 38;

/** Steps between the end of a job and the next, and between its request and its start. */
const IDLE_STEPS = 6;
const PENDING_STEPS = 2;

/**
 * Starts the worker: pending, in progress, completed (every third time failed), and again.
 *
 * @param url the address of the local stack
 * @param stepMs how long a step takes, in milliseconds
 */
export function startDemoWorker(url: string, stepMs = 1_000): { stop(): Promise<void> } {
  const supabase = createClient<Database>(url, SECRET_KEY, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const jobs = () => supabase.from("historical_sync_jobs");
  let ended = 0;
  let waited = 0;

  async function step(): Promise<void> {
    const now = new Date().toISOString();
    const { data: job } = await supabase.rpc("get_active_sync_job", { p_agency_id: AGENCY }).maybeSingle()
      .throwOnError();
    if (!job) {
      if (++waited < IDLE_STEPS) return;
      waited = 0;
      await jobs().insert({
        agency_id: AGENCY,
        status: "pending",
        date_from: "2025-01-01",
        date_to: "2025-03-01",
      })
        .throwOnError();
      return;
    }
    if (job.status === "pending") {
      if (++waited < PENDING_STEPS) return;
      waited = 0;
      await jobs().update({
        status: "in_progress",
        started_at: now,
        last_activity_at: now,
        total_calls: TOTAL_CALLS,
      })
        .eq("id", job.id).throwOnError();
      return;
    }
    const processed = Math.min(TOTAL_CALLS, job.processed_calls + CALLS_PER_STEP);
    const failed = Math.floor(processed / 150);
    const skipped = Math.floor(processed / 60);
    const done = processed === TOTAL_CALLS;
    // The seeded job began long ago; it goes on as if that had been a moment ago.
    const resumed = job.last_activity_at && Date.now() - Date.parse(job.last_activity_at) > 60_000;
    await jobs().update({
      processed_calls: processed,
      imported_calls: processed - failed - skipped,
      skipped_calls: skipped,
      failed_calls: failed,
      last_activity_at: now,
      ...(resumed ? { started_at: new Date(Date.now() - 20 * stepMs).toISOString() } : {}),
      ...(done ? { status: ended++ % 3 === 2 ? "failed" : "completed" } : {}),
    }).eq("id", job.id).throwOnError();
  }

  let stopped = false;
  const over = (async () => {
    while (!stopped) {
      await step().catch((error) => console.error(`The demo worker failed: ${error.message}`));
      await new Promise((resolve) => setTimeout(resolve, stepMs));
    }
  })();
  return {
    stop() {
      stopped = true;
      return over;
    },
  };
}
