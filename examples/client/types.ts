/**
 * What get-sync-status answers, as plain types: a front end can import this
 * file without pulling in anything. The compiler refuses a schema in
 * contract.ts that lacks one of these fields, the tests one that has more.
 * openapi.json is generated from these types; the tags (`@format`, `@minimum`
 * and so on) say there what a type cannot.
 */

/**
 * An instant in UTC as RFC 3339 writes it, for example `2025-03-15T10:00:00Z`.
 *
 * @format date-time
 * @pattern ^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,6})?Z$
 */
export type Timestamp = string;

/** Where a job is while it is active. */
export type ActiveStatus = "pending" | "in_progress";

/** How a finished job ended. */
export type FinishedStatus = "completed" | "failed" | "cancelled";

/**
 * @asType integer
 * @minimum 0
 * @maximum 9007199254740991
 */
type WholeNumber = number;

/** What every job says of itself, active or finished. */
interface Job<Status extends ActiveStatus | FinishedStatus> {
  /**
   * @format uuid
   * @pattern ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$
   */
  id: string;
  status: Status;
  /** Start of the period whose calls are imported. */
  date_from: Timestamp;
  /** End of that period. */
  date_to: Timestamp;
  /** Calls in the period; null until they have been counted. */
  total_calls: WholeNumber | null;
  processed_calls: WholeNumber;
  imported_calls: WholeNumber;
  skipped_calls: WholeNumber;
  failed_calls: WholeNumber;
}

/** A job that waits or runs. */
export interface ActiveJob extends Job<ActiveStatus> {
  /** Whole per cent of `total_calls` processed; null while the total is unknown or 0. */
  progress_percent: WholeNumber | null;
  /** When the job began to run; null while it is pending. */
  started_at: Timestamp | null;
  /** When the job last made progress; null before its first. */
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
  /**
   * A sentence for people.
   *
   * @minLength 1
   */
  error: string;
  code: ErrorCode;
}
