import type { ErrorBody, SyncStatus } from "../client/types.ts";

/** Asks for the status of the agency of the user with this access token. `key` is the publishable key. */
export async function syncStatus(url: string, key: string, accessToken: string): Promise<SyncStatus> {
  const headers = { apikey: key, Authorization: `Bearer ${accessToken}` };
  const response = await fetch(`${url}/functions/v1/get-sync-status`, { headers });
  if (response.ok) return await response.json();
  const { code }: ErrorBody = await response.json();
  throw new Error(code);
}
