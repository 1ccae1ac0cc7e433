/** The only file that starts something on import. */

import * as z from "zod/mini";
import { handle } from "./handler.ts";
import { connect, type Project } from "./upstream.ts";

const keyDictionary = z.object({ default: z.nullish(z.string()) });

/** No blank, and no empty segment: supabase-js appends paths to it. */
const ADDRESS = /^https?:\/\/[^\s/]+(\/[^\s/]+)*\/?$/;

/**
 * Reads the project's address and publishable key: `SUPABASE_PUBLISHABLE_KEYS`
 * (a JSON dictionary, entry `default`), then `SUPABASE_PUBLISHABLE_KEY`, then
 * the legacy `SUPABASE_ANON_KEY`. Empty counts as unset.
 *
 * @throws {Error} with one sentence if something is missing or malformed:
 * `Deno.exit` does nothing in Supabase's edge runtime 1.9
 *
 * @see https://supabase.com/docs/guides/functions/secrets
 */
function readProject(): Project {
  const url = readEnv("SUPABASE_URL");
  if (!url) throw cannotStart("SUPABASE_URL is not set");
  if (!URL.canParse(url) || !ADDRESS.test(url)) {
    throw cannotStart("SUPABASE_URL is not an http(s) address");
  }

  const key = readDefaultKey() || readEnv("SUPABASE_PUBLISHABLE_KEY") || readEnv("SUPABASE_ANON_KEY");
  if (!key) {
    throw cannotStart(
      "none of SUPABASE_PUBLISHABLE_KEYS (entry default), SUPABASE_PUBLISHABLE_KEY and SUPABASE_ANON_KEY is set",
    );
  }
  // It is sent as a header with each request.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw cannotStart("the publishable key has a blank, a line break or a character that is not ASCII");
  }
  if (key.startsWith("sb_secret_")) {
    throw cannotStart("a secret key is set in the place of a publishable key");
  }
  return { url, publishableKey: key };
}

function readEnv(name: string): string | undefined {
  return Deno.env.get(name)?.trim();
}

function readDefaultKey(): string | undefined {
  const dictionary = readEnv("SUPABASE_PUBLISHABLE_KEYS");
  if (!dictionary) return undefined;
  try {
    return keyDictionary.parse(JSON.parse(dictionary)).default?.trim();
  } catch {
    throw cannotStart("SUPABASE_PUBLISHABLE_KEYS is not a JSON dictionary of keys");
  }
}

function cannotStart(reason: string): Error {
  return new Error(`get-sync-status cannot start: ${reason}.`);
}

const client = connect(readProject());
Deno.serve((request) => handle(request, client));
