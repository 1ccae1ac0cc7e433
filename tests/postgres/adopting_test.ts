import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createClient } from "@supabase/supabase-js";
import { readdirSync } from "node:fs";
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
const [LINES = ""] = /^project=[^]*?(?=^```)/m.exec(Deno.readTextFileSync(`${ROOT}docs/adopting.md`)) ?? [];

/** A project's tables, and what its people edit in the copied files. */
type Form = { tables: string; edits: [from: string | RegExp, to: string][] };

const FORMS: Record<string, Form> = {
  table: { tables: "", edits: [] },
  // People edit and upsert their own row, which a trigger makes.
  column: {
    tables: `
      create table public.organizations (id uuid primary key, name text);
      create table public.users (id uuid primary key references auth.users on delete cascade, email text, note text);
      alter table public.users enable row level security;
      revoke all on public.users from anon, authenticated;
      grant insert, update, select (email) on public.users to authenticated;
      create policy "Edit"   on public.users for update using (auth.uid() = id);
      create policy "Upsert" on public.users for insert with check (auth.uid() = id);
      create function public.handle_new_user() returns trigger language plpgsql security definer
      as $$ begin insert into public.users (id, email) values (new.id, new.email); return new; end; $$;
      create trigger made after insert on auth.users for each row execute function public.handle_new_user();`,
    edits: [
      ["public.agencies", "public.organizations"],
      [/insert into public\.users[^;]*/g, "update public.users set agency_id = agency where id = member"],
    ],
  },
  view: {
    tables: `
      create table public.accounts (id uuid primary key, name text, owner uuid not null references auth.users);
      create table public.account_members (user_id uuid primary key references auth.users on delete cascade,
                                           account_id uuid references public.accounts on delete cascade);
      alter table public.account_members enable row level security;
      create policy "Own row" on public.account_members for select using (user_id = auth.uid());`,
    edits: [
      ["public.agencies", "public.accounts"],
      ["(id, name) values (agency, name)", "values (agency, name, owner)"],
      ["public.users (id, agency_id)", "public.account_members"],
      ["(id) do update set agency_id = excluded.agency_id", "(user_id) do update set account_id = agency"],
    ],
  },
};

const list = (folder: string) => readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
const server = databaseServer();
if (!server) reportSkipped("adopting", "DATABASE_URL names no PostgreSQL server");
for (const [name, form] of server ? Object.entries(FORMS) : []) {
  test(`the first lines of adopting.md bring the endpoint into a project of the form ${name}`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "ein Projekt ü " });
    copyInto(folder, name, form);
    const paths = list(folder).filter((path) => /migrations.*sql$/.test(path));
    const migrations = paths.map((path) => ({ name: path, sql: Deno.readTextFileSync(join(folder, path)) }));
    const tests = join(folder, "supabase/tests/get-sync-status");
    const assertions = await runPgTap([...await platform(), ...migrations], tests);
    assert.deepEqual(assertions.filter(({ problem }) => problem), []);

    const { url, drop } = await createDatabase(server ?? "");
    const database = openDatabase(url);
    await apply(await platform(), database.query);
    await supabase(["migration", "up", `--remote=${url}?sslmode=disable`, "--yes"], { cwd: folder });
    const entrypoint = pathToFileURL(join(folder, "supabase/functions/get-sync-status/index.ts"));
    const stack = await startStack({ database: () => Promise.resolve(database), entrypoint });
    try {
      const TEST_USERS_FILE = join(tests, "test_users.psql");
      const project = { SUPABASE_URL: stack.url, SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY, TEST_USERS_FILE };
      const data = manageTestData(project, stack.sql);
      const { importing, finished, nobody } = await data.addTestData();
      const ask = async ({ token }: { token: string }) => (await poll(stack.functionUrl, token)).text;
      assert.match(await ask(importing), /^{"active":true,"job":{/);
      assert.match(await ask(nobody), /"code":"forbidden"/);

      const options = { accessToken: () => Promise.resolve(importing.token) };
      const users = createClient(stack.url, PUBLISHABLE_KEY, options).from("users");
      assert.deepEqual((await users.select("id")).data, [{ id: importing.id }]);
      const joined = await users.update({ agency_id: finished.agency }).eq("id", importing.id);
      assert.equal(joined.error?.code, "42501");
      const own = await users.upsert({ id: importing.id, email: "new@get-sync-status.test" });
      assert.equal(own.error === null, name === "column");
      const readable = await stack.sql(`
        select role, attname from pg_attribute, unnest(array['anon', 'authenticated']) as role
        where  attrelid = 'public.users'::regclass and attname in ('id', 'note')
        and    has_column_privilege(role, attrelid, attnum, 'select')`);
      assert.deepEqual([...readable], [{ role: "authenticated", attname: "id" }]);
      await data.removeAgency(importing.agency);
      assert.match(await ask(importing), /"code":"forbidden"/);
    } finally {
      await stack.stop();
      await drop();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Makes a project with tables of its own, runs the lines, and edits what they have copied. */
function copyInto(folder: string, name: string, { tables, edits }: Form): void {
  const lines = LINES.replace("../my-project", `"${folder}"`).replace("users=table", `users=${name}`);
  const run = () => execFileSync("sh", ["-c", lines], { cwd: ROOT, stdio: "pipe" });

  assert.throws(run, /config\.toml/);
  assert.deepEqual(list(folder), []);
  Deno.mkdirSync(join(folder, "supabase/migrations"), { recursive: true });
  Deno.writeTextFileSync(join(folder, "supabase/config.toml"), 'project_id = "theirs"');
  Deno.writeTextFileSync(join(folder, "supabase/migrations/29991231235959_tables.sql"), tables);
  run();
  const copied = list(folder);
  assert(copied.includes(join("supabase/migrations/29991231235963_get_active_sync_job.sql")));
  const config = Deno.readTextFileSync(join(folder, "supabase/config.toml"));
  assert.match(config, /"theirs"\n\[functions\.get-sync-status\]\n[^]*verify_jwt = false\n$/);
  assert.throws(run);
  assert.deepEqual(list(folder), copied);

  for (const path of copied.filter((path) => /(_sync_jobs\.sql|test_users\.psql)$/.test(path))) {
    let text = Deno.readTextFileSync(join(folder, path));
    for (const [from, to] of edits) text = text.replaceAll(from, to);
    Deno.writeTextFileSync(join(folder, path), text);
  }
}
