/**
 * The first lines of docs/adopting.md, run as they stand there, in projects of each form.
 * DATABASE_URL names a server for what they copy; without it these are skipped.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createClient } from "@supabase/supabase-js";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { pathOf, supabase } from "../../local/commands.ts";
import { createDatabase, databaseServer, openDatabase } from "../../local/database.ts";
import { apply, platform } from "../../local/platform.ts";
import { PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { manageTestData } from "../run/test_data.ts";
import { poll, reportSkipped, test } from "../support/helpers.ts";
import { runPgTap } from "../support/pgtap.ts";

const ROOT = pathOf("../../", import.meta.url);
const [LINES = ""] = /^project=[^]*?(?=^```)/m.exec(readFileSync(`${ROOT}docs/adopting.md`, "utf8")) ?? [];

/** The tables of a project, and what its people edit in the copied files. */
const FORMS = {
  table: { tables: "", edit: (text: string) => text },
  // People edit and upsert their own row, which a trigger makes.
  column: {
    tables: `
      create table public.organizations (id uuid primary key, name text);
      create table public.users (id uuid primary key references auth.users (id) on delete cascade, email text, note text);
      alter table public.users enable row level security;
      revoke all on public.users from anon, authenticated;
      grant insert, update, select (email) on public.users to authenticated;
      create policy "Edit"   on public.users for update using (auth.uid() = id);
      create policy "Upsert" on public.users for insert with check (auth.uid() = id);
      create function public.handle_new_user() returns trigger language plpgsql security definer
      as $$ begin insert into public.users (id, email) values (new.id, new.email); return new; end; $$;
      create trigger made after insert on auth.users for each row execute function public.handle_new_user();`,
    edit: (text: string) =>
      text.replaceAll("public.agencies", "public.organizations")
        .replace(
          /insert into public\.users[^;]*/,
          "update public.users set agency_id = agency where id = member",
        ),
  },
  view: {
    tables: `
      create table public.accounts (id uuid primary key, name text, owner uuid not null references auth.users (id));
      create table public.account_members (
        user_id    uuid primary key references auth.users (id) on delete cascade,
        account_id uuid references public.accounts (id) on delete cascade);
      alter table public.account_members enable row level security;
      create policy "Own row" on public.account_members for select using (user_id = auth.uid());`,
    edit: (text: string) =>
      text.replaceAll("public.agencies", "public.accounts")
        .replace("(id, name) values (agency, name)", "values (agency, name, owner)")
        .replace("public.users (id, agency_id)", "public.account_members")
        .replace(
          "(id) do update set agency_id = excluded.agency_id",
          "(user_id) do update set account_id = agency",
        ),
  },
};

const server = databaseServer();
if (!server) reportSkipped("adopting", "DATABASE_URL names no PostgreSQL server");
for (const [users, { tables, edit }] of server ? Object.entries(FORMS) : []) {
  test(`the first lines of adopting.md bring the endpoint into a project of the form ${users}`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "ein Projekt ü " });
    const { url, drop } = await createDatabase(server ?? "");
    const database = openDatabase(url);
    await apply(await platform(), database.query);
    const list = () => readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
    const read = (path: string) => readFileSync(join(folder, path), "utf8");
    const lines = LINES.replace("../my-project", `"${folder}"`).replace("users=table", `users=${users}`);
    const run = () => execFileSync("sh", ["-c", lines], { cwd: ROOT, stdio: "pipe" });
    const migrations = () => list().filter((path) => /migrations.*sql$/.test(path));

    assert.throws(run, /config\.toml/);
    assert.deepEqual(list(), []);
    mkdirSync(join(folder, "supabase/migrations"), { recursive: true });
    writeFileSync(join(folder, "supabase/config.toml"), 'project_id = "theirs"\n');
    writeFileSync(join(folder, "supabase/migrations/29991231235959_tables.sql"), tables);
    run();
    assert.match(migrations()[4] ?? "", /29991231235963_get_active_sync_job\.sql$/);
    assert.match(
      read("supabase/config.toml"),
      /"theirs"\n\[functions\.get-sync-status\]\n[^]*verify_jwt = false\n$/,
    );
    const copied = list();
    assert.throws(run);
    assert.deepEqual(list(), copied);

    for (const path of copied.filter((path) => /(_sync_jobs\.sql|test_users\.psql)$/.test(path))) {
      writeFileSync(join(folder, path), edit(read(path)));
    }
    await supabase(["migration", "up", `--remote=${url}?sslmode=disable`, "--yes"], { cwd: folder });
    const tests = join(folder, "supabase/tests/get-sync-status");
    const scripts = migrations().map((name) => ({ name, sql: read(name) }));
    const assertions = await runPgTap([...await platform(), ...scripts], tests);
    assert.deepEqual(assertions.filter(({ problem }) => problem), []);

    const entrypoint = pathToFileURL(join(folder, "supabase/functions/get-sync-status/index.ts"));
    const stack = await startStack({ database: () => Promise.resolve(database), entrypoint });
    try {
      const TEST_USERS_FILE = join(tests, "test_users.psql");
      const project = { SUPABASE_URL: stack.url, SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY, TEST_USERS_FILE };
      const { addTestData, signIn, removeAgency } = manageTestData(project, stack.sql);
      const { importing, nobody, harbour, lakeside } = await addTestData();
      const ask = async (user: typeof nobody) => (await poll(stack.functionUrl, await signIn(user))).text;
      assert.match(await ask(importing), /^{"active":true,"job":{/);
      assert.match(await ask(nobody), /"code":"forbidden"/);

      const token = await signIn(importing);
      const options = { accessToken: () => Promise.resolve(token) };
      const rows = createClient(stack.url, PUBLISHABLE_KEY, options).from("users");
      assert.deepEqual((await rows.select("id")).data, [{ id: importing.id }]);
      const joined = await rows.update({ agency_id: lakeside }).eq("id", importing.id);
      assert.equal(joined.error?.code, "42501");
      const own = await rows.upsert({ id: importing.id, email: "new@get-sync-status.test" });
      assert.equal(own.error === null, users === "column");
      const rights = await stack.sql(`
        select role, attname from pg_attribute, unnest(array['anon', 'authenticated']) as role
        where  attrelid = 'public.users'::regclass and attname in ('id', 'note')
        and    has_column_privilege(role, attrelid, attnum, 'select')`);
      assert.deepEqual([...rights], [{ role: "authenticated", attname: "id" }]);
      await removeAgency(harbour);
      assert.match((await poll(stack.functionUrl, token)).text, /"code":"forbidden"/);
    } finally {
      await stack.stop();
      await drop();
      rmSync(folder, { recursive: true });
    }
  });
}
