/**
 * What the rivals share, so that each shows only what sets it apart: HTTP, and
 * the spec's two answers, made of rows that are taken at their word.
 *
 * @module
 */

import { corsHeaders } from "@supabase/supabase-js/cors";
import type { Database } from "../../supabase/functions/get-sync-status/database.types.ts";

type Row = Database["public"]["Tables"]["historical_sync_jobs"]["Row"];

/** Serves what `answer` gives for an Authorization header; an error is a 500. */
export function serve(answer: (authorization: string) => Promise<unknown>): void {
  Deno.serve(async (request) => {
    if (request.method === "OPTIONS") return new Response(null, { headers: corsHeaders });
    try {
      const body = await answer(request.headers.get("Authorization") ?? "");
      return Response.json(body, { headers: corsHeaders });
    } catch {
      return Response.json({}, { status: 500, headers: corsHeaders });
    }
  });
}

const utc = (timestamp: string | null) =>
  timestamp && new Date(timestamp).toISOString().replace(".000Z", "Z");

const period = ({ date_from, date_to }: Row) => ({ date_from: utc(date_from), date_to: utc(date_to) });

/** The answer while a job is active. */
export function activeAnswer(row: Row) {
  const { agency_id: _, created_at: __, started_at, last_activity_at, ...job } = row;
  const progress_percent = row.total_calls ? Math.round((row.processed_calls / row.total_calls) * 100) : null;
  const instants = { started_at: utc(started_at), last_activity_at: utc(last_activity_at) };
  return { active: true, job: { ...job, ...period(row), progress_percent, ...instants } };
}

/** The answer while none is. */
export function idleAnswer(row: Row | null | undefined) {
  if (!row) return { active: false, recent_job: null };
  const { agency_id: _, started_at: __, last_activity_at: ___, ...job } = row;
  return { active: false, recent_job: { ...job, ...period(row), created_at: utc(row.created_at) } };
}
