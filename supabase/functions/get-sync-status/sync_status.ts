import type { SyncStatus } from "./types.ts";
import {
  type Answer,
  type Caller,
  type Client,
  type Failure,
  readActiveJob,
  readRecentJob,
  readUser,
  type Step,
  verifyToken,
} from "./upstream.ts";

/** Why a caller gets no status: Auth does not accept the token, or the user belongs to no agency. */
export type Refusal = { kind: "refused"; code: "unauthorized" | "forbidden" };

/**
 * Answers with the agency's active job, or else its most recent finished one,
 * or else null.
 *
 * Three requests leave at once. Whatever arrives first, they are judged in one
 * order: Auth, the user, the active job.
 */
export async function getSyncStatus(client: Client, caller: Caller): Promise<Answer<SyncStatus> | Refusal> {
  const verifying = verifyToken(client, caller);
  const readingUser = readUser(client, caller);
  const readingActiveJob = readActiveJob(client, caller);
  // After an early answer nobody awaits these: their errors must not end the process.
  readingUser.catch(() => {});
  readingActiveJob.catch(() => {});

  const verdict = await verifying;
  if (verdict.kind === "failed") return verdict;
  if (verdict.value === "refused") return { kind: "refused", code: "unauthorized" };

  const user = await readingUser;
  if (user.kind === "failed") return user;
  const agencyId = user.value?.agency_id;
  if (!agencyId) return { kind: "refused", code: "forbidden" };

  const active = await readingActiveJob;
  if (active.kind === "failed") return active;
  if (active.value) {
    const { agency_id, ...job } = active.value;
    if (agency_id !== agencyId) return refuseForeign("get_active_sync_job");
    return { kind: "answered", value: { active: true, job } };
  }

  // Only now: if both were asked at once, a job that ends meanwhile could be in neither answer.
  const recent = await readRecentJob(client, caller, agencyId);
  if (recent.kind === "failed") return recent;
  if (!recent.value) return { kind: "answered", value: { active: false, recent_job: null } };
  const { agency_id, ...recent_job } = recent.value;
  if (agency_id !== agencyId) return refuseForeign("historical_sync_jobs");
  return { kind: "answered", value: { active: false, recent_job } };
}

/**
 * The second lock behind row-level security. It also catches a user who moves
 * to another agency between two of the reads.
 */
function refuseForeign(step: Step): Failure {
  return { kind: "failed", step, reason: "the answer is another agency's" };
}
