import assert from "node:assert/strict";
import { cleanEnvironment, pathOf } from "../../local/commands.ts";
import { databaseServer } from "../../local/database.ts";
import { PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { reportSkipped, test, until } from "../support/helpers.ts";

if (databaseServer()) await onServer();
else reportSkipped("test:project", "DATABASE_URL names no PostgreSQL server");

async function onServer(): Promise<void> {
  const stack = await startStack();
  Deno.test.afterAll(() => stack.stop());
  const database = new URL(stack.databaseUrl ?? "");

  function start(changes: Record<string, string>, ...flags: string[]): Deno.ChildProcess {
    const env = {
      ...cleanEnvironment(),
      NO_COLOR: "1",
      SUPABASE_URL: stack.url,
      SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY,
      PROJECT_DATABASE_URL: database.href,
      ...changes,
    };
    const args = ["run", "--quiet", "-A", pathOf("../run/test_project.ts", import.meta.url), ...flags];
    const options = { args, env, clearEnv: true, stdout: "piped", stderr: "piped" } as const;
    return new Deno.Command(Deno.execPath(), options).spawn();
  }
  const outputOf = async ({ stdout, stderr }: Deno.ChildProcess) =>
    await new Response(stdout).text() + await new Response(stderr).text();

  const readAll = () =>
    stack.sql("select schema_to_xml('public', true, false, ''), array(select users::text from auth.users)");
  const leavesAll = (sentence: string, check: () => Promise<void>) =>
    test(`test:project ${sentence}, and leaves all users and tables as they were`, async () => {
      const before = await readAll();
      await check();
      assert.deepEqual(await readAll(), before);
    });
  const [named = ""] = /--project=\S+/.exec(await outputOf(start({}))) ?? [];

  leavesAll("runs every test", async () => {
    assert.match(await outputOf(start({}, named)), /\| \d\d+ passed .*\| 0 failed/);
  });

  leavesAll("ends at Ctrl-C, removes what a killed run has left", async () => {
    const users = () => stack.sql("select from auth.users where email like '%@get-sync-status.test'");
    const killed = start({}, named);
    await until(async () => (await users()).length > 0);
    killed.kill("SIGKILL");
    await outputOf(killed);
    const next = start({}, named);
    await until(async () => (await users()).length === 0);
    await until(async () => (await users()).length > 0);
    next.kill("SIGINT");
    assert.match(await outputOf(next), /^Removed \d+ .*\nRemoved 4 .*\nInterrupted\.\n$/);
  });

  leavesAll("names what it cannot remove, and what Auth refuses", async () => {
    await stack.sql(`
      create table public.notes (author uuid references auth.users);
      insert into auth.users (id, email) values (gen_random_uuid(), 'left@get-sync-status.test');
      insert into public.notes select id from auth.users where email like 'left@%'`);
    const refused = await outputOf(start({ SUPABASE_SECRET_KEY: "wrong" }, named));
    assert.match(refused, /^Not removed: left@get-sync-status\.test or its agency: .*"notes_/);
    assert.match(refused, /\nUsers cannot be added\. .* SUPABASE_SECRET_KEY; .*: Invalid API key\.\n$/);
    await stack.sql("drop table public.notes");
    assert.match(await outputOf(start({ SUPABASE_SECRET_KEY: "wrong" }, named)), /^Removed 1 /);
  });

  leavesAll("refuses what is not a project that it may change", async () => {
    const refuses = async (changes: Record<string, string>, sentence: RegExp) =>
      assert.match(await outputOf(start(changes, "--project=another")), sentence);
    const empty = new URL("postgres", database).href;
    const stranger = database.href.replace(/\/\/\w+/, "//authenticator");
    await refuses({}, /^This adds agencies .* If you mean it: --project=127\.0\.0\.1:\d+\+\S+@\S+\/\S+\n$/);
    await refuses({ SUPABASE_URL: "https://abcdefghijklmnopqrst.supabase.co" }, /are two projects\.\n$/);
    await refuses({ SUPABASE_URL: "http://127.0.0.1:9" }, /deploy it first\.\n$/);
    await refuses({ PROJECT_DATABASE_URL: empty }, /push the migrations first\.\n$/);
    await refuses({ PROJECT_DATABASE_URL: stranger }, /be the owner's direct connection: .*\n$/);
  });
}
