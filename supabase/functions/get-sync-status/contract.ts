/**
 * The contract in zod: rows as PostgREST and Auth send them in, jobs as they
 * go out. Reading a row through these schemas drops every column the
 * contract does not name and puts the rest in the order of the contract.
 *
 * Written in zod/mini, which a cold start builds in half the time of zod.
 *
 * @module
 */

import * as z from "zod/mini";
import type { ActiveJob, RecentJob } from "./types.ts";

/** Any UUID that PostgreSQL takes, not only the versions of RFC 9562. */
const uuid = z.guid();

const count = z.int().check(z.nonnegative());

/** What PostgreSQL writes with a blank and an offset in hours, as RFC 3339 has it. */
const toRfc3339 = z.transform((text: string) => text.replace(" ", "T").replace(/[+-]\d\d$/, "$&:00"));

const toUtc = z.transform((text: string, context) => {
  const fraction = /\.\d*[1-9]/.exec(text)?.[0] ?? "";
  const instant = new Date(text.replace(/\.\d+/, "")).toISOString();
  // toISOString writes six digits for a year that an offset pushed out of 0000 to 9999.
  if (!/^\d{4}-/.test(instant)) {
    context.issues.push({ code: "custom", input: text, message: "beyond the years that RFC 3339 can write" });
    return z.NEVER;
  }
  return instant.replace(".000Z", `${fraction}Z`);
});

/**
 * Reads a timestamptz in the forms PostgreSQL writes it in (a blank or `T`, an
 * offset in hours or with minutes, up to six fractional digits) and gives the
 * same instant in UTC with `Z`, fractional seconds only where there are any.
 *
 * What RFC 3339 cannot write (`infinity`, BC, a year beyond 9999) is an issue,
 * never a guess.
 */
export const timestamp = z.pipe(
  z.pipe(z.pipe(z.string(), toRfc3339), z.iso.datetime({ offset: true })),
  toUtc,
);

/** The claims of a JWT that the function reads before Auth has verified it. */
export const claims = z.object({ sub: uuid });

/**
 * The user as Auth answers. `banned_until` is read because Auth servers before
 * supabase/auth#2642 answer a banned user's token with the user.
 */
export const authUser = z.object({ id: uuid, banned_until: z.nullish(timestamp) });

/** Rows of which there is one at most. */
const atMostOne = <Row extends z.ZodMiniType>(row: Row) => z.array(row).check(z.maxLength(1));

const userRow = z.object({ agency_id: z.nullable(uuid) });

/** The user's agency; null where the user belongs to none. */
export type UserRow = z.infer<typeof userRow>;

/** Rows of `users` for one id. */
export const userRows = atMostOne(userRow);

/**
 * Calculates `progress_percent` as `Math.round((processed_calls / total_calls) * 100)`.
 *
 * @returns whole per cent, or null where the total is unknown or 0
 */
export function progressPercent(processedCalls: number, totalCalls: number | null): number | null {
  return totalCalls ? Math.round((processedCalls / totalCalls) * 100) : null;
}

/** What every job's row has, in the order of the contract. */
const columns = <Status extends string>(statuses: readonly [Status, ...Status[]]) => ({
  agency_id: uuid,
  id: uuid,
  status: z.enum(statuses),
  date_from: timestamp,
  date_to: timestamp,
  total_calls: z.nullable(count),
  processed_calls: count,
  imported_calls: count,
  skipped_calls: count,
  failed_calls: count,
});

/** Whose job it is, and the job as it goes out. */
interface Owned<Job> {
  agency_id: string;
  job: Job;
}

const activeJobRow = z.object({
  ...columns(["pending", "in_progress"]),
  started_at: z.nullable(timestamp),
  last_activity_at: z.nullable(timestamp),
});

/** A row of `get_active_sync_job`, read. */
export type ActiveJobRow = Owned<ActiveJob>;

/** Rows of `get_active_sync_job`. */
export const activeJobRows = atMostOne(z.pipe(
  activeJobRow,
  z.transform((
    { agency_id, started_at, last_activity_at, ...job }: z.infer<typeof activeJobRow>,
  ): ActiveJobRow => ({
    agency_id,
    job: {
      ...job,
      progress_percent: progressPercent(job.processed_calls, job.total_calls),
      started_at,
      last_activity_at,
    },
  })),
));

const recentJobRow = z.object({ ...columns(["completed", "failed", "cancelled"]), created_at: timestamp });

/** The columns that the fallback query reads. */
export const RECENT_COLUMNS = Object.keys(recentJobRow.shape).join(",");

/** The statuses of a finished job. */
export const FINISHED_STATUSES = recentJobRow.shape.status.options;

/** A row of the fallback query, read. */
export type RecentJobRow = Owned<RecentJob>;

/** Rows of the fallback query. */
export const recentJobRows = atMostOne(z.pipe(
  recentJobRow,
  z.transform(({ agency_id, ...job }: z.infer<typeof recentJobRow>): RecentJobRow => ({ agency_id, job })),
));
