import type { ErrorBody, SyncStatus } from "../client/types";

/** Asks for the status of the agency of the user with this access token. `key` is the publishable key. */
export async function syncStatus(url: string, key: string, accessToken: string): Promise<SyncStatus> {
  const headers = { apikey: key, Authorization: `Bearer ${accessToken}` };
  const response = await fetch(`${url}/functions/v1/get-sync-status`, { headers });
  // A gateway may answer in the function's place, even with a 200.
  const body: SyncStatus | ErrorBody | null = await response.json().catch(() => null);
  if (response.ok && body instanceof Object && "active" in body) return body;
  const code = body && "error" in body && body.code;
  throw new Error(code || `HTTP ${response.status} without a status`);
}
