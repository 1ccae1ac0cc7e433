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

const AGENCY = "a0000000-0000-4000-8000-000000000001";

/** The seeded job has 750 calls to go: more than six minutes. */
const CALLS_PER_SECOND = 2;

/** Calls of each later job: two minutes. */
const TOTAL_CALLS = 240;

/** Between the end of a job of the first agency and the request of the next. */
const REST_SECONDS = 10;

/** Until a job starts: the first agency's is seen by pages that poll every 30 s; the others were asked for on a page. */
const PENDING_SECONDS = { unasked: 40, asked: 5 };

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
  let ended = 0;
  let rested = 0;
  /** How many seconds each pending job has waited. */
  const waited = new Map<string, number>();

  /** Does what a second brings. */
  async function step(): Promise<void> {
    const { data: active } = await jobs().select().in("status", ["pending", "in_progress"]).throwOnError();
    if (active.some(({ agency_id }) => agency_id === AGENCY)) rested = 0;
    else if (++rested >= REST_SECONDS) {
      await jobs().insert({
        agency_id: AGENCY,
        status: "pending",
        date_from: "2025-01-01T00:00:00Z",
        date_to: "2025-03-01T00:00:00Z",
      }).throwOnError();
    }
    for (const job of active) {
      const changes = job.status === "pending" ? start(job) : goOn(job);
      if (changes) await jobs().update(changes).eq("id", job.id).throwOnError();
    }
  }

  type Job = Database["public"]["Tables"]["historical_sync_jobs"]["Row"];
  type Changes = Database["public"]["Tables"]["historical_sync_jobs"]["Update"];

  function start({ id, agency_id }: Job): Changes | undefined {
    const seconds = (waited.get(id) ?? 0) + 1;
    waited.set(id, seconds);
    return seconds < (agency_id === AGENCY ? PENDING_SECONDS.unasked : PENDING_SECONDS.asked)
      ? undefined
      : { status: "in_progress", started_at: ago(0), total_calls: TOTAL_CALLS };
  }

  function goOn(job: Job): Changes {
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
      ...(Date.now() - Date.parse(job.started_at ?? "") > 86_400_000
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
