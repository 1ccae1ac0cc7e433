/**
 * The spec's two answers, made of rows that are taken at their word: what the
 * rivals share, so that each shows only what sets it apart.
 *
 * @module
 */

interface Job {
  id: string;
  status: string;
  date_from: string;
  date_to: string;
  total_calls: number | null;
  processed_calls: number;
  imported_calls: number;
  skipped_calls: number;
  failed_calls: number;
}

const utc = (timestamp: string | null) =>
  timestamp && new Date(timestamp).toISOString().replace(".000Z", "Z");

function jobOf({ id, status, date_from, date_to, ...job }: Job) {
  return {
    id,
    status,
    date_from: utc(date_from),
    date_to: utc(date_to),
    total_calls: job.total_calls,
    processed_calls: job.processed_calls,
    imported_calls: job.imported_calls,
    skipped_calls: job.skipped_calls,
    failed_calls: job.failed_calls,
  };
}

/** The answer while a job is active. */
export function activeAnswer(row: Job & { started_at: string | null; last_activity_at: string | null }) {
  const progress = row.total_calls ? Math.round((row.processed_calls / row.total_calls) * 100) : null;
  return {
    active: true,
    job: {
      ...jobOf(row),
      progress_percent: progress,
      started_at: utc(row.started_at),
      last_activity_at: utc(row.last_activity_at),
    },
  };
}

/** The answer while none is. */
export function idleAnswer(row: Job & { created_at: string } | null | undefined) {
  return { active: false, recent_job: row ? { ...jobOf(row), created_at: utc(row.created_at) } : null };
}
