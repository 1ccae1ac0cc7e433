import type { ErrorBody, SyncStatus } from "../client/types.ts";

/** Asks for the status of the agency of the user to whom the access token belongs. */
export async function syncStatus(
  url: string,
  publishableKey: string,
  accessToken: string,
): Promise<SyncStatus> {
  const headers = { apikey: publishableKey, Authorization: `Bearer ${accessToken}` };
  const response = await fetch(`${url}/functions/v1/get-sync-status`, { headers });
  if (response.ok) return await response.json();
  const { code }: ErrorBody = await response.json();
  throw new Error(code);
}
