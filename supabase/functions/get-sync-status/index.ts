/**
 * Starts get-sync-status: reads the environment and serves. The only file with
 * a side effect on import.
 *
 * @module
 */

import * as z from "zod/mini";
import { createHandler } from "./handler.ts";
import type { Project } from "./upstream.ts";

const keyDictionary = z.object({ default: z.optional(z.string()) });

/**
 * Reads the project's address and publishable key: `SUPABASE_PUBLISHABLE_KEYS`
 * (a JSON dictionary, entry `default`), then `SUPABASE_PUBLISHABLE_KEY`, then
 * the legacy `SUPABASE_ANON_KEY`. An empty variable counts as unset.
 *
 * @throws {Error} with one sentence where something is missing or malformed:
 * on Supabase's runtime `Deno.exit` does nothing
 *
 * @see https://supabase.com/docs/guides/functions/secrets
 */
function projectFromEnv(): Project {
  const url = env("SUPABASE_URL");
  if (!url) throw cannotStart("SUPABASE_URL is not set");
  if (!z.url({ protocol: /^https?$/ }).safeParse(url).success) {
    throw cannotStart("SUPABASE_URL is not an http(s) address");
  }

  const publishableKey = defaultKey() || env("SUPABASE_PUBLISHABLE_KEY") || env("SUPABASE_ANON_KEY");
  if (!publishableKey) {
    throw cannotStart(
      "none of SUPABASE_PUBLISHABLE_KEYS (entry default), SUPABASE_PUBLISHABLE_KEY and SUPABASE_ANON_KEY is set",
    );
  }
  return { url, publishableKey };
}

function env(name: string): string | undefined {
  return Deno.env.get(name)?.trim();
}

function defaultKey(): string | undefined {
  const dictionary = env("SUPABASE_PUBLISHABLE_KEYS");
  if (!dictionary) return undefined;
  try {
    return keyDictionary.parse(JSON.parse(dictionary)).default;
  } catch {
    throw cannotStart("SUPABASE_PUBLISHABLE_KEYS is not a JSON dictionary of keys");
  }
}

function cannotStart(reason: string): Error {
  return new Error(`get-sync-status cannot start: ${reason}.`);
}

Deno.serve(createHandler(projectFromEnv()));
