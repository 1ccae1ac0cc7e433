/** `deno task test:project` on the local stack on the server that DATABASE_URL names. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import postgres from "postgres";
import { cleanEnvironment, pathOf } from "../../local/commands.ts";
import { databaseServer } from "../../local/database.ts";
import { JWT_SECRET, PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { reportSkipped, test, until } from "../support/helpers.ts";

const LEFT_AGENCY = "a0000000-7e57-4000-8000-000000000001";

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
  const name = `${new URL(stack.url).host}+${database.username}@${database.host}${database.pathname}`;
  const start = (changes: Record<string, string> = {}, args = [`--project=${name}`]) => {
    const script = pathOf("../run/test_project.ts", import.meta.url);
    const env = {
      ...cleanEnvironment(),
      NO_COLOR: "1",
      SUPABASE_URL: stack.url,
      SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY,
      SUPABASE_JWT_SECRET: JWT_SECRET,
      PROJECT_DATABASE_URL: database.href,
      ...changes,
    };
    const child = spawn(Deno.execPath(), ["run", "--quiet", "--allow-all", script, ...args], { env });
    let said = "";
    for (const output of [child.stdout, child.stderr]) output.on("data", (part) => said += part);
    const ended = new Promise<string>((resolve) => child.once("close", () => resolve(said)));
    return { kill: (signal: NodeJS.Signals) => child.kill(signal), ended, said: () => said };
  };
  const readEverything = () => sql`select database_to_xml(true, false, '')::text`;
  const leavesAll = (sentence: string, check: () => Promise<void>) =>
    test(`test:project ${sentence}, and leaves every table as it was`, async () => {
      const before = await readEverything();
      await check();
      assert.deepEqual(await readEverything(), before);
    });
  const untilAgency = () =>
    until(async () => (await sql`select from public.agencies where name like 'Test %'`).length > 0);

  leavesAll("runs every test", async () => {
    assert.match(await start().ended, /GET accepts a forged token[^]*\| \d\d+ passed .*\| 0 failed/);
  });

  leavesAll("ends at Ctrl-C while it adds users, and removes what a killed run has left", async () => {
    const killed = start();
    await untilAgency();
    assert.equal(await start().ended, "Another run is under way on this project.\n");
    killed.kill("SIGKILL");
    await killed.ended;
    const next = start();
    await until(() => next.said().includes("Removed "));
    await untilAgency();
    next.kill("SIGINT");
    assert.match(await next.ended, /^Removed (\d+) of \1 .*\nRemoved (\d+) of \2 .*\nInterrupted\.\n$/);
  });

  leavesAll("names what it cannot remove, and what Auth refuses", async () => {
    await sql`create table public.notes (author uuid references auth.users (id))`;
    await sql`create table public.owners (agency uuid references public.agencies (id),
                                          owner  uuid references auth.users (id) on delete cascade)`;
    await sql`
      with an_agency as (insert into public.agencies (id, name) values (${LEFT_AGENCY}, 'Left') returning id),
           a_user as (insert into auth.users (id, email, is_sso_user)
                      values (gen_random_uuid(), 'left@get-sync-status.test', false) returning id),
           a_note as (insert into public.notes select id from a_user)
      insert into public.owners select an_agency.id, a_user.id from an_agency, a_user`;
    const refused = await start({ SUPABASE_SECRET_KEY: "wrong" }).ended;
    assert.match(
      refused,
      /^Removed 0 of 2 .*\n(Not removed: .*\n)?Not removed: left@\S+: .* constraint "notes_/,
    );
    assert.match(refused, /\nUsers cannot be added\. If nobody may .* SUPABASE_SECRET_KEY; .*: .+\.\n/);
    await sql`drop table public.notes`;
    assert.match(await start({ SUPABASE_SECRET_KEY: "wrong" }).ended, /^Removed 2 of 2 .*\nUsers cannot/);
    await sql`drop table public.owners`;
  });

  leavesAll("refuses what is not a project that it may change", async () => {
    const stranger = new URL(database);
    stranger.username = "authenticator";
    const REFUSED: [changes: Record<string, string>, due: RegExp][] = [
      [{}, /If you mean it: --project=\S+\n$/],
      [{ SUPABASE_URL: "https://abcdefghijklmnopqrst.supabase.co" }, /are two projects\.\n$/],
      [{ SUPABASE_URL: "http://127.0.0.1:9" }, /deploy it first\.\n$/],
      [{ PROJECT_DATABASE_URL: new URL("postgres", database).href }, /push the migrations first\.\n$/],
      [{ PROJECT_DATABASE_URL: stranger.href }, /be the owner's direct connection: .*\n$/],
    ];
    for (const [changes, due] of REFUSED) assert.match(await start(changes, []).ended, due);
  });
}
