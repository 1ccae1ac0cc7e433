import assert from "node:assert/strict";
import postgres from "postgres";
import { cleanEnvironment, pathOf } from "../../local/commands.ts";
import { databaseServer } from "../../local/database.ts";
import { PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { reportSkipped, test, until } from "../support/helpers.ts";

if (databaseServer()) await onServer();
else reportSkipped("test:project", "DATABASE_URL names no PostgreSQL server");

async function onServer(): Promise<void> {
  const stack = await startStack();
  const database = new URL(stack.databaseUrl ?? "");
  const sql = postgres(database.href, { max: 1, onnotice: () => {} });
  Deno.test.afterAll(async () => {
    await sql.end({ timeout: 5 });
    await stack.stop();
  });

  const named = `--project=${
    new URL(stack.url).host
  }+${database.username}@${database.host}${database.pathname}`;
  function start(changes: Record<string, string> = {}, ...args: string[]): Deno.ChildProcess {
    const script = pathOf("../run/test_project.ts", import.meta.url);
    const settings = {
      SUPABASE_URL: stack.url,
      SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY,
      PROJECT_DATABASE_URL: database.href,
    };
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", script, ...args],
      env: { ...cleanEnvironment(), NO_COLOR: "1", ...settings, ...changes },
      clearEnv: true,
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }
  async function outputOf(run: Deno.ChildProcess): Promise<string> {
    const { stdout, stderr } = await run.output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  }

  const readEverything = async () => {
    // Auth's own record of what was done.
    await sql`truncate auth.audit_log_entries`;
    return await sql`select database_to_xml(true, false, '')::text`;
  };
  const leavesAll = (sentence: string, check: () => Promise<void>) =>
    test(`test:project ${sentence}, and leaves every table but Auth's log as it was`, async () => {
      const before = await readEverything();
      await check();
      assert.deepEqual(await readEverything(), before);
    }, 300_000);

  leavesAll("runs every test", async () => {
    assert.match(await outputOf(start({}, named)), /\| \d\d+ passed .*\| 0 failed/);
  });

  leavesAll("ends at Ctrl-C while it adds users, and removes what a killed run has left", async () => {
    const hasUsers = async () =>
      (await sql`select from auth.users where email like '%@get-sync-status.test'`).length > 0;
    const killed = start({}, named);
    await until(hasUsers, 60_000);
    killed.kill("SIGKILL");
    await killed.output();
    const next = start({}, named);
    await until(async () => !await hasUsers(), 60_000);
    await until(hasUsers, 60_000);
    next.kill("SIGINT");
    assert.match(await outputOf(next), /^Removed \d+ .*\nRemoved 4 .*\nInterrupted\.\n$/);
  });

  leavesAll("names what it cannot remove, and what Auth refuses", async () => {
    await sql`create table public.notes (author uuid references auth.users)`;
    await sql`insert into auth.users (id, email) values (gen_random_uuid(), 'left@get-sync-status.test')`;
    await sql`insert into public.notes select id from auth.users where email like 'left@%'`;
    const refused = await outputOf(start({ SUPABASE_SECRET_KEY: "wrong" }, named));
    assert.match(
      refused,
      /^Not removed: left@get-sync-status\.test or its agency: .*"notes_.*\nUsers cannot be added\..*: .+\.\n/,
    );
    await sql`drop table public.notes`;
    assert.match(await outputOf(start({ SUPABASE_SECRET_KEY: "wrong" }, named)), /^Removed 1 /);
  });

  leavesAll("refuses what is not a project that it may change", async () => {
    const stranger = new URL(database);
    stranger.username = "authenticator";
    const REFUSED: [changes: Record<string, string>, sentence: RegExp][] = [
      [{}, /^This adds agencies .* If you mean it: --project=\S+\n$/],
      [{ SUPABASE_URL: "" }, /^Set SUPABASE_URL\.\n$/],
      [{ SUPABASE_URL: "https://abcdefghijklmnopqrst.supabase.co" }, /are two projects\.\n$/],
      [{ SUPABASE_URL: "http://127.0.0.1:9" }, /deploy it first\.\n$/],
      [{ PROJECT_DATABASE_URL: new URL("postgres", database).href }, /push the migrations first\.\n$/],
      [{ PROJECT_DATABASE_URL: stranger.href }, /be the owner's direct connection: .*\n$/],
    ];
    for (const [changes, sentence] of REFUSED) assert.match(await outputOf(start(changes)), sentence);
  });
}
