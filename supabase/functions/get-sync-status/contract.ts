/**
 * The contract in zod: rows as they come in, jobs as they go out. Reading a row
 * drops each column that the contract does not name, and puts the rest in its order.
 * zod/mini, because a cold start builds it faster.
 */

import * as z from "zod/mini";
import type { ActiveJob, RecentJob } from "./types.ts";

/** Any UUID that PostgreSQL takes, not only the versions of RFC 9562. */
const uuid = z.guid();

const count = z.int().check(z.nonnegative());

const TIMESTAMPTZ =
  /^(?<date>\d{4}-\d\d-\d\d)[T ](?<time>\d\d:\d\d:\d\d)(\.(?<fraction>\d{1,6}))?(?<offset>Z|[+-](0\d|1[0-5])(:[0-5]\d){0,2})$/;

/**
 * Reads a timestamptz as PostgreSQL writes it: a blank or `T`, up to six
 * fractional digits, an offset in hours, with minutes, or with seconds (a zone's
 * local mean time has them).
 *
 * @returns the instant in UTC with `Z`, fractional seconds only if there are
 * any; undefined for what RFC 3339 cannot write (`infinity`, BC, a year beyond 9999)
 */
export function readTimestamp(text: string): string | undefined {
  const groups = TIMESTAMPTZ.exec(text)?.groups;
  if (!groups) return undefined;
  const { date, time, fraction = "", offset = "" } = groups;

  const local = new Date(`${date}T${time}Z`);
  // Date takes 30 February for 2 March, and 24:00 for the next day.
  if (local.toJSON() !== `${date}T${time}.000Z`) return undefined;

  const utc = new Date(local.getTime() - readOffset(offset) * 1000).toISOString();
  // The offset may lead out of the years 0000 to 9999, which toISOString writes with six digits.
  if (!/^\d{4}-/.test(utc)) return undefined;

  const digits = fraction.replace(/0+$/, "");
  return utc.slice(0, 19) + (digits && `.${digits}`) + "Z";
}

/** The seconds that `+05`, `+05:30`, `-05:21:10` or `Z` are ahead of UTC. */
function readOffset(offset: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = offset.slice(1).split(":").map(Number);
  const size = hours * 3600 + minutes * 60 + seconds;
  return offset.startsWith("-") ? -size : size;
}

const timestamp = z.pipe(z.pipe(z.string(), z.transform(readTimestamp)), z.string());

/** The claims that are read of a JWT. */
export const claims = z.object({ sub: uuid });

/**
 * The user as Auth answers. `banned_until` is read because Auth servers before
 * supabase/auth#2642 answer a banned user's token with the user.
 */
export const authUser = z.object({ id: uuid, banned_until: z.nullish(timestamp) });

const atMostOne = <Row extends z.ZodMiniType>(row: Row) => z.array(row).check(z.maxLength(1));

/** Rows of `users` for one id. */
export const userRows = atMostOne(z.object({ agency_id: z.nullable(uuid) }));

/**
 * Calculates `progress_percent` as `Math.round((processed_calls / total_calls) * 100)`.
 *
 * @returns whole per cent, or null if the total is unknown or 0
 */
export function progressPercent(processedCalls: number, totalCalls: number | null): number | null {
  return totalCalls ? Math.round((processedCalls / totalCalls) * 100) : null;
}

/** What every job's row has, in the order of the contract. */
const jobColumns = <Status extends string>(statuses: readonly [Status, ...Status[]]) => ({
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

/** A job as it goes out, and whose it is. */
export type Owned<Job> = Job & { agency_id: string };

const activeJobRow = z.object({
  ...jobColumns(["pending", "in_progress"]),
  started_at: z.nullable(timestamp),
  last_activity_at: z.nullable(timestamp),
});

function addProgress(
  { started_at, last_activity_at, ...row }: z.infer<typeof activeJobRow>,
): Owned<ActiveJob> {
  const progress_percent = progressPercent(row.processed_calls, row.total_calls);
  return { ...row, progress_percent, started_at, last_activity_at };
}

/** Rows of `get_active_sync_job`. */
export const activeJobRows = atMostOne(z.pipe(activeJobRow, z.transform(addProgress)));

const recentJobRow = z.object({
  ...jobColumns(["completed", "failed", "cancelled"]),
  created_at: timestamp,
});

/** The columns that the fallback query reads. */
export const RECENT_COLUMNS = Object.keys(recentJobRow.shape).join(",");

export const FINISHED_STATUSES = recentJobRow.shape.status.options;

/** Rows of the fallback query. */
export const recentJobRows: z.ZodMiniType<Owned<RecentJob>[]> = atMostOne(recentJobRow);
