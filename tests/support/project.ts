import postgres from "postgres";
import { FUNCTION_PATH, PUBLISHABLE_KEY, type Stack, startStack } from "../../local/stack.ts";
import { manageTestData, runningProject } from "../run/test_data.ts";

/** The project of the end-to-end tests: the local stack, or the one that `deno task test:project` names. */
export async function startProject() {
  const variable = Deno.env.get("TEST_PROJECT");
  if (!variable) {
    const stack = await startStack();
    const project = { SUPABASE_URL: stack.url, SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY };
    return { ...stack, ...manageTestData(project, stack.sql), publishableKey: PUBLISHABLE_KEY };
  }
  const project = runningProject.parse(JSON.parse(variable));
  const owner = postgres(project.PROJECT_DATABASE_URL, { max: 1, onnotice: () => {} });
  const sql: Stack["sql"] = async (statement) => await owner.unsafe(statement) as unknown as never[];
  return {
    ...manageTestData(project, sql),
    url: project.SUPABASE_URL,
    publishableKey: project.SUPABASE_PUBLISHABLE_KEY,
    functionUrl: project.SUPABASE_URL + FUNCTION_PATH,
    sql,
    stop: () => owner.end({ timeout: 5 }),
  };
}
