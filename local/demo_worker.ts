/**
 * What a back end does, so that there is something to watch: it starts pending
 * jobs, moves running ones to their end, and requests another for the first
 * agency again and again.
 *
 * @module
 */

import type { Stack } from "./stack.ts";

const JOBS = "public.historical_sync_jobs";
const AGENCY = "'a0000000-0000-4000-8000-000000000001'";

/** Done each second, in this order; $1 is how many times faster than life. */
const STEPS = [
  // Two calls a second: 2 minutes a job, and more than 6 for the seeded one. That began long ago;
  // it goes on as if it had always been at this pace.
  `update ${JOBS}
   set    processed_calls  = processed_calls + 2,
          imported_calls   = imported_calls + 2,
          last_activity_at = now(),
          started_at       = case when started_at < now() - interval '1 day'
                                  then now() - make_interval(secs => processed_calls / 2 / $1::float8)
                                  else started_at end,
          status           = case when processed_calls + 2 < total_calls then status else 'completed' end
   where  status = 'in_progress'`,
  // Pages that poll every 30 s see the first agency's pending; people on a page wait for the others.
  `update ${JOBS}
   set    status = 'in_progress', started_at = now(), total_calls = 240
   where  status = 'pending'
   and    created_at < now() - make_interval(secs => case agency_id when ${AGENCY} then 40 else 5 end / $1::float8)`,
  `insert into ${JOBS} (agency_id, status, date_from, date_to)
   select ${AGENCY}, 'pending', '2025-01-01T00:00:00Z', '2025-03-01T00:00:00Z'
   where  not exists (select from ${JOBS}
                      where  agency_id = ${AGENCY}
                      and    (status in ('pending', 'in_progress')
                              or last_activity_at > now() - make_interval(secs => 10 / $1::float8)))
   on conflict do nothing`,
];

/** Starts the worker on a stack, at a pace so many times faster than life. */
export function startDemoWorker(stack: Pick<Stack, "sql">, pace = 1): { stop(): Promise<void> } {
  let stopped = false;
  const over = (async () => {
    while (!stopped) {
      try {
        for (const step of STEPS) await stack.sql(step, [pace]);
      } catch (error) {
        console.error("The demo worker failed:", error);
      }
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
