/**
 * What a back end does, so that there is something to watch: it starts pending
 * jobs and moves running ones to their end.
 */

import type { Stack } from "./stack.ts";

/** Done each second, in this order; $1 is how many times faster than life. */
const STEPS = [
  // Two calls a second: 2 minutes a job, and more than 6 for the seeded one. That began long ago;
  // it goes on as if it had always been at this pace.
  `update public.historical_sync_jobs
   set    processed_calls  = processed_calls + 2,
          imported_calls   = imported_calls + 2,
          last_activity_at = now(),
          started_at       = case when started_at < now() - interval '1 day'
                                  then now() - make_interval(secs => processed_calls / 2 / $1::float8)
                                  else started_at end,
          status           = case when processed_calls + 2 < total_calls then status else 'completed' end
   where  status = 'in_progress'`,
  `update public.historical_sync_jobs
   set    status = 'in_progress', started_at = now(), total_calls = 240
   where  status = 'pending'
   and    created_at < now() - make_interval(secs => 5 / $1::float8)`,
];

/** Starts the worker on a stack, at a pace so many times faster than life. */
export function startDemoWorker({ sql }: Pick<Stack, "sql">, pace = 1): { stop(): Promise<void> } {
  let stopped = false;
  const over = (async () => {
    while (!stopped) {
      for (const step of STEPS) {
        await sql(step, [pace]).catch((error) => console.error("The demo worker failed:", error));
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
