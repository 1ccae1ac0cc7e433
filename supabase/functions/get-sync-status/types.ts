/** What get-sync-status answers, as plain types: a front end can copy this file. */

/** An instant in UTC as RFC 3339 writes it, for example `2025-03-15T10:00:00Z`. */
export type Timestamp = string;

/** Where a job is while it is active. */
export type ActiveStatus = "pending" | "in_progress";

/** How a finished job ended. */
export type FinishedStatus = "completed" | "failed" | "cancelled";

/** What every job says of itself, active or finished. */
interface Job<Status extends ActiveStatus | FinishedStatus> {
  /** A UUID. */
  id: string;
  status: Status;
  /** Start of the period whose calls are imported. */
  date_from: Timestamp;
  /** End of that period. */
  date_to: Timestamp;
  /** Calls in the period; null until they have been counted. */
  total_calls: number | null;
  processed_calls: number;
  imported_calls: number;
  skipped_calls: number;
  failed_calls: number;
}

/** A job that waits or runs. */
export interface ActiveJob extends Job<ActiveStatus> {
  /** Whole per cent of `total_calls` processed, beyond 100 if more came; null while the total is unknown or 0. */
  progress_percent: number | null;
  /** When the job began to run; null while it is pending. */
  started_at: Timestamp | null;
  /** When the worker last reported; null before its first report. */
  last_activity_at: Timestamp | null;
}

/** A finished job. */
export interface RecentJob extends Job<FinishedStatus> {
  /** When the job was requested. */
  created_at: Timestamp;
}

/** A job is pending or in progress. */
export type ActiveSync = { active: true; job: ActiveJob };

/** No job is pending or in progress. */
export type IdleSync = {
  active: false;
  /** The most recent finished job; null if the agency never had one. */
  recent_job: RecentJob | null;
};

/** The body of a 200. */
export type SyncStatus = ActiveSync | IdleSync;

/** What an error means to a program; stable, unlike the sentence beside it. */
export type ErrorCode = "unauthorized" | "forbidden" | "method_not_allowed" | "internal_error";

/** The body of every answer that is not a 200. */
export interface ErrorBody {
  /** A sentence for people. */
  error: string;
  code: ErrorCode;
}
