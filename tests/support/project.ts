/**
 * The Supabase project that the end-to-end tests run against: the local stack,
 * or a running one if `deno task test:project` says so. Tests have agencies and
 * users of their own there, and touch no others.
 */

import postgres from "postgres";
import { FUNCTION_PATH, JWT_SECRET, PUBLISHABLE_KEY, type Stack, startStack } from "../../local/stack.ts";
import { manageTestData, runningProject } from "../run/test_data.ts";

/** Gives the project, what adds test data to it, and the secret that signs its tokens, if it is known. */
export async function startProject() {
  const variable = Deno.env.get("TEST_PROJECT");
  if (!variable) {
    const stack = await startStack();
    const project = { SUPABASE_URL: stack.url, SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY };
    const keys = { publishableKey: PUBLISHABLE_KEY, secret: JWT_SECRET };
    return { ...stack, ...manageTestData(project, stack.sql), ...keys };
  }
  const project = runningProject.parse(JSON.parse(variable));
  const owner = postgres(project.PROJECT_DATABASE_URL, { max: 1, onnotice: () => {} });
  const sql: Stack["sql"] = async (query, parameters) =>
    await owner.unsafe(query, parameters as string[]) as unknown as never[];
  return {
    ...manageTestData(project, sql),
    url: project.SUPABASE_URL,
    publishableKey: project.SUPABASE_PUBLISHABLE_KEY,
    functionUrl: project.SUPABASE_URL + FUNCTION_PATH,
    secret: project.SUPABASE_JWT_SECRET,
    sql,
    stop: () => owner.end({ timeout: 5 }),
  };
}
