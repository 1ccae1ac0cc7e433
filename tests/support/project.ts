/**
 * The Supabase project that the end-to-end tests run against: the local stack,
 * or a running project if `deno task test:project` says so. Tests have
 * agencies and users of their own there, and touch no others.
 *
 * @module
 */

import postgres from "postgres";
import { DEMO_PASSWORD, FUNCTION_PATH, JWT_SECRET, PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { type Access, peopleOf, runningProject, type Sql } from "../../scripts/test_people.ts";
export type { Person, Scene } from "../../scripts/test_people.ts";

/** A project that the tests can use, and what they do with their people there. */
export interface Project extends Access, ReturnType<typeof peopleOf> {
  /** The function's address behind it. */
  functionUrl: string;
  /** How many polls it bears at once on a machine a quarter as quick as usual. */
  pollsInFlight: number;
  /** A secret that its tokens may be signed with, if one is known. */
  secret?: string;
  sql: Sql;
  stop(): Promise<void>;
}

/** Gives the project to test: the one that is running, or a local stack of one's own. */
export async function startProject(): Promise<Project> {
  const variable = Deno.env.get("TEST_PROJECT");
  if (variable) {
    const { databaseUrl, jwtSecret: secret, ...access } = runningProject.parse(JSON.parse(variable));
    const owner = postgres(databaseUrl, { max: 1, onnotice: () => {} });
    const sql: Sql = async (query, parameters) =>
      await owner.unsafe(query, parameters as string[]) as unknown as never[];
    // Its Auth limits requests, and other people may use it.
    const pollsInFlight = 10;
    const stop = () => owner.end({ timeout: 5 });
    const functionUrl = access.url + FUNCTION_PATH;
    return { ...access, ...peopleOf(access, sql), functionUrl, pollsInFlight, secret, sql, stop };
  }
  const { url, sql, functionUrl, pollsInFlight, stop } = await startStack();
  const access = { url, publishableKey: PUBLISHABLE_KEY, password: DEMO_PASSWORD };
  return {
    ...access,
    ...peopleOf(access, sql),
    functionUrl,
    pollsInFlight,
    secret: JWT_SECRET,
    sql,
    stop,
  };
}
