/**
 * A worker as a back end would write it, so that there is something to watch:
 * as service_role it drives each active job to its end, and requests a new one
 * for the first agency again and again.
 *
 * @module
 */

import { createClient } from "@supabase/supabase-js";
import type { Database } from "../supabase/functions/get-sync-status/database.types.ts";
import { SECRET_KEY } from "./stack.ts";

type Jobs = Database["public"]["Tables"]["historical_sync_jobs"];

const AGENCY = "a0000000-0000-4000-8000-000000000001";

/** The seeded job has 750 calls to go: more than six minutes. */
const CALLS_PER_SECOND = 2;

/** Calls of each later job: two minutes. */
const TOTAL_CALLS = 240;

/** Between the end of a job of the first agency and the request of the next. */
const REST_SECONDS = 10;

/** Until a job starts: pages that poll every 30 s see the first agency's, and people wait for the others. */
const pendingSeconds = (agency: string) => agency === AGENCY ? 40 : 5;

/**
 * Starts the worker: pending, in progress, completed (every third time failed).
 *
 * @param url the address of the local stack
 * @param pace how many times faster than life
 */
export function startDemoWorker(url: string, pace = 1): { stop(): Promise<void> } {
  const supabase = createClient<Database>(url, SECRET_KEY, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const jobs = () => supabase.from("historical_sync_jobs");
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000 / pace).toISOString();
  const hasPassed = (seconds: number, since: string) => Date.parse(since) <= Date.parse(ago(seconds));
  let ended = 0;
  let rested = 0;

  /** Does what a second brings. */
  async function step(): Promise<void> {
    const { data: active } = await jobs().select().in("status", ["pending", "in_progress"]).throwOnError();
    for (const job of active) {
      if (job.status === "in_progress") await jobs().update(move(job)).eq("id", job.id).throwOnError();
      else if (hasPassed(pendingSeconds(job.agency_id), job.created_at)) {
        const started = { status: "in_progress", started_at: ago(0), total_calls: TOTAL_CALLS } as const;
        await jobs().update(started).eq("id", job.id).throwOnError();
      }
    }
    if (active.some(({ agency_id }) => agency_id === AGENCY)) rested = 0;
    else if (++rested >= REST_SECONDS) {
      const period = { date_from: "2025-01-01T00:00:00Z", date_to: "2025-03-01T00:00:00Z" };
      await jobs().insert({ agency_id: AGENCY, status: "pending", ...period }).throwOnError();
    }
  }

  /** What a second's calls change in a job. */
  function move(job: Jobs["Row"]): Jobs["Update"] {
    const total = job.total_calls ?? TOTAL_CALLS;
    const processed = Math.min(total, job.processed_calls + CALLS_PER_SECOND);
    const failed = Math.floor(processed / 150);
    const skipped = Math.floor(processed / 60);
    return {
      processed_calls: processed,
      imported_calls: processed - failed - skipped,
      skipped_calls: skipped,
      failed_calls: failed,
      last_activity_at: ago(0),
      // The seeded job began long ago; it goes on as if it had always been at this pace.
      ...(hasPassed(86_400 * pace, job.started_at ?? "")
        ? { started_at: ago(processed / CALLS_PER_SECOND) }
        : {}),
      ...(processed === total ? { status: ended++ % 3 === 2 ? "failed" : "completed" } : {}),
    };
  }

  let stopped = false;
  const over = (async () => {
    while (!stopped) {
      await step().catch((error) => console.error(`The demo worker failed: ${error.message}`));
      await new Promise((resolve) => setTimeout(resolve, 1_000 / pace));
    }
  })();
  return {
    stop() {
      stopped = true;
      return over;
    },
  };
}
