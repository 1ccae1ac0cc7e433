/**
 * The order of judgement: who is asked, and in which order the answers count.
 */

import type { SyncStatus } from "./types.ts";
import type { Failure, Step, Upstream } from "./upstream.ts";

/**
 * What a poll comes to. Refused: `unauthorized` if Auth does not accept the
 * token, `forbidden` if the user belongs to no agency.
 */
export type Outcome =
  | { kind: "status"; status: SyncStatus }
  | { kind: "refused"; code: "unauthorized" | "forbidden" }
  | Failure;

/**
 * Answers with the agency's active job, or else its most recent finished one,
 * or else null.
 *
 * Three requests leave at once. They are judged in a fixed order, whatever
 * arrives first: Auth, the user, the active job.
 *
 * @returns the status, or why there is none; never rejects
 */
export async function getSyncStatus(upstream: Upstream): Promise<Outcome> {
  const verifying = upstream.verifyToken();
  const readingUser = upstream.readUser();
  const readingActiveJob = upstream.readActiveJob();

  const verified = await verifying;
  if (verified.kind === "failed") return verified;
  if (!verified.value) return { kind: "refused", code: "unauthorized" };

  const user = await readingUser;
  if (user.kind === "failed") return user;
  const agencyId = user.value?.agency_id;
  if (!agencyId) return { kind: "refused", code: "forbidden" };

  const active = await readingActiveJob;
  if (active.kind === "failed") return active;
  if (active.value) {
    const { agency_id, ...job } = active.value;
    if (agency_id !== agencyId) return refuseForeign("get_active_sync_job");
    return { kind: "status", status: { active: true, job } };
  }

  // Only now: asked together with the RPC, a job that ends in between would be in neither answer.
  const recent = await upstream.readRecentJob(agencyId);
  if (recent.kind === "failed") return recent;
  if (!recent.value) return { kind: "status", status: { active: false, recent_job: null } };
  const { agency_id, ...recent_job } = recent.value;
  if (agency_id !== agencyId) return refuseForeign("historical_sync_jobs");
  return { kind: "status", status: { active: false, recent_job } };
}

/**
 * The second lock behind row-level security: a row of another agency is never
 * passed on. It also catches a user who moves between two of the reads.
 */
function refuseForeign(step: Step): Failure {
  return { kind: "failed", step, reason: "the answer is another agency's" };
}
