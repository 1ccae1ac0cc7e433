import type { SupabaseClient } from "@supabase/supabase-js";

const TABLE = "historical_sync_jobs";

/** PostgreSQL reads this by its own clock. */
const NOW = "now";

/** Requests an import; gives the job's id, or null if the agency has one that is pending or running. */
export async function request(
  supabase: SupabaseClient,
  agency_id: string,
  date_from: string,
  date_to: string,
): Promise<string | null> {
  const job = { agency_id, date_from, date_to };
  const { data, error } = await supabase.from(TABLE).insert(job).select("id").single();
  if (error?.code === "23505") return null;
  if (error) throw error;
  return data.id;
}

/** Gives the job that has been pending for longest, or null. */
export async function next(supabase: SupabaseClient) {
  const columns = "id, agency_id, date_from, date_to";
  const pending = supabase.from(TABLE).select(columns).eq("status", "pending");
  const { data, error } = await pending.order("created_at").limit(1);
  if (error) throw error;
  return data[0] ?? null;
}

/** Starts a pending job; false if another worker has, or if it has been cancelled. */
export const start = (supabase: SupabaseClient, id: string, total_calls: number | null) =>
  update(supabase, id, ["pending"], { status: "in_progress", started_at: NOW, total_calls });

/** Reports the counters, for example `processed_calls`; false if somebody else has ended the job: then stop. */
export const progress = (supabase: SupabaseClient, id: string, counters: Record<`${string}_calls`, number>) =>
  update(supabase, id, ["in_progress"], { ...counters, last_activity_at: NOW });

/** Ends a running job; false if somebody else has ended it. */
export const end = (supabase: SupabaseClient, id: string, status: "completed" | "failed" | "cancelled") =>
  update(supabase, id, ["in_progress"], { status });

/** Cancels a job from outside the worker, which then stops; false if the job has ended. */
export const cancel = (supabase: SupabaseClient, id: string) =>
  update(supabase, id, ["pending", "in_progress"], { status: "cancelled" });

/** Updates a job if its status is one of those expected, and says whether it was. */
async function update(supabase: SupabaseClient, id: string, expected: string[], values: object) {
  const matching = supabase.from(TABLE).update(values).eq("id", id).in("status", expected);
  const { data, error } = await matching.select("id");
  if (error) throw error;
  return data.length > 0;
}
