/**
 * `deno task adopt` on projects with a history of their own. DATABASE_URL names
 * a server for what it copies to run on; without it, that is skipped.
 */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { deno, pathOf, supabase } from "../../local/commands.ts";
import { createDatabase, databaseServer, openDatabase } from "../../local/database.ts";
import { apply, platform } from "../../local/platform.ts";
import { PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { managePeople } from "../run/test_people.ts";
import { poll, reportSkipped, test } from "../support/helpers.ts";

const FUNCTION = "supabase/functions/get-sync-status";
const ADOPT = pathOf("../../scripts/adopt.ts", import.meta.url);

const adopt = (folder: string, ...args: string[]) =>
  deno(["run", "--quiet", "--allow-all", ADOPT, folder, ...args]);

const read = (folder: string, path: string) => readFileSync(join(folder, path), "utf8");

function write(folder: string, path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

/** The files of a project whose paths match. */
const list = (folder: string, pattern = /\.\w+$/) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/")).filter((path) => pattern.test(path)).sort();

/** Registers a test that is given the folder of a project, whose own files must stay as they are. */
function withProject(sentence: string, files: string[][], check: (folder: string) => Promise<void>) {
  test(sentence, async () => {
    const folder = await Deno.makeTempDir({ prefix: "ein Projekt ü " });
    try {
      write(folder, "supabase/config.toml", `project_id = "theirs" # env(NAME)\n`);
      for (const [path = "", text = ""] of files) write(folder, path, text);
      await check(folder);
      for (const [path = "", text] of files) assert.equal(read(folder, path), text);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 180_000);
}

/** As in many projects: users with columns that are never null, made by a trigger, and a careless policy. */
const USERS = `
create table public.organizations (id uuid primary key, name text not null, vat text not null);
create table public.users (id uuid primary key references auth.users (id), email text not null, bio text);
alter table public.users enable row level security;
create policy "Can update own user data." on public.users for update using (auth.uid() = id);
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as
$$ begin insert into public.users (id, email) values (new.id, new.email); return new; end; $$;
create trigger made after insert on auth.users for each row execute function public.handle_new_user();
`;

withProject(
  "adopt --dry-run writes nothing, adopt dates migrations after the last one, and a second run changes nothing",
  [["supabase/migrations/29991231235959_notes.sql", "create table public.notes (id bigint);\n"]],
  async (folder) => {
    const before = list(folder);
    const planned = (await adopt(folder, "--users=table", "--dry-run")).match(/(?<=would write )\S+/g) ?? [];
    assert.deepEqual(list(folder), before);
    await adopt(folder, "--users=table");
    const after = list(folder);
    assert.deepEqual(after, [...before, ...planned, `${FUNCTION}/adopted.json`].sort());
    assert(after.includes("supabase/migrations/29991231235960_demo_tenancy.sql"));
    assert.match(await adopt(folder), /^\nThen run, in /);
    assert.deepEqual(list(folder), after);
  },
);

test("adopt refuses this project, and says how it is called", async () => {
  await assert.rejects(adopt(dirname(dirname(ADOPT)), "--dry-run"), /Name one other .*\n\ndeno task adopt </);
});

withProject(
  "adopt asks what users shall be, says what to decide, and writes schema files after the project's own",
  [["supabase/migrations/20260101000000_users.sql", USERS], ["supabase/schemas/tables/users.sql", USERS]],
  async (folder) => {
    await assert.rejects(adopt(folder), /Add what public\.users shall be[^]*--users=column/);
    const config = "[inbucket]\n[functions.get-sync-status]\nverify_jwt = true\n[x]\n";
    write(folder, "supabase/config.toml", config);
    const printed = await adopt(folder, "--users=column");
    assert.match(printed, /names of your tables[^]*people\.psql[^]*verify_jwt = false[^]*\[inbucket\]/);
    const [theirs, ...ours] = list(folder, /^supabase\/schemas.*sql$/);
    assert.equal(theirs, "supabase/schemas/tables/users.sql");
    const [, ...migrations] = list(folder, /^supabase\/migrations.*sql$/);
    const readAll = (paths: string[]) => paths.map((path) => read(folder, path));
    assert.deepEqual(readAll(ours), readAll(migrations));
    assert.equal(ours.length, 4);
  },
);

withProject("adopt says on an upgrade what may be replaced, and loses no edit", [], async (folder) => {
  await adopt(folder, "--users=table");
  // An older version: one migration fewer, and other texts, one of which was edited.
  const notes: Record<string, unknown> = JSON.parse(read(folder, `${FUNCTION}/adopted.json`));
  // The SHA-256 of "old".
  const checksum = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4";
  for (const name of ["types.ts", "handler.ts"]) {
    notes[`${FUNCTION}/${name}`] = { checksum, version: "0.9.0" };
  }
  write(folder, `${FUNCTION}/adopted.json`, JSON.stringify(notes));
  write(folder, `${FUNCTION}/types.ts`, "old");
  write(folder, `${FUNCTION}/handler.ts`, "edited");
  write(folder, `${FUNCTION}/upstream.ts`, "edited, and nothing new");
  const [last = ""] = list(folder, /migrations.*_get_active_sync_job\.sql$/);
  rmSync(join(folder, last));

  const [printed] = (await adopt(folder)).split("\n\n");
  const due = /^\S+handler\.ts was edited, .*\n\S+types\.ts is that of 0\.9\.0, .*\nwrote \S+_sync_job\.sql$/;
  assert.match(printed ?? "", due);
  assert.equal(read(folder, `${FUNCTION}/handler.ts`), "edited");
  rmSync(join(folder, FUNCTION, "types.ts"));
  assert.match(await adopt(folder), /^wrote supabase\/functions\/get-sync-status\/types\.ts$/m);
});

const server = databaseServer();
if (!server) reportSkipped("an adopted project on a server", "DATABASE_URL names no PostgreSQL server");
else {
  withProject(
    "an adopted migration names the policy that opens it, and what it prints makes the function answer",
    [["supabase/migrations/20260101000000_users.sql", USERS]],
    async (folder) => {
      const { url, drop } = await createDatabase(server);
      const database = openDatabase(url);
      await apply(await platform(), database.run);
      const up = () =>
        supabase(["migration", "up", `--remote=${url}?sslmode=disable`, "--yes"], { cwd: folder });
      await adopt(folder, "--users=column");
      const edit = (file: RegExp, from: string | RegExp, to: string) =>
        list(folder, file).forEach((path) => write(folder, path, read(folder, path).replace(from, to)));
      const put = "update public.users set agency_id = agency where id = person";
      edit(/people\.psql$/, /insert into public\.users[^;]*/, put);
      edit(/people\.psql$/, /public\.agencies .*;/, "public.organizations values (agency, name, 'DE1');");
      edit(/_sync_jobs\.sql$/, "public.agencies", "public.organizations");
      const refusal = await up().then(() => "", String);
      assert.match(refusal, /Policy "Can update own user data\." on public\.users: authenticated may update/);
      edit(/_current_agency_id\.sql$/, /^/, (refusal.match(/^ {2}revoke .*;$/gm) ?? []).join("\n"));
      await up();

      const entrypoint = pathToFileURL(join(folder, FUNCTION, "index.ts"));
      const stack = await startStack({ database: () => Promise.resolve(database), entrypoint });
      try {
        const PEOPLE_FILE = join(folder, "supabase/tests/get-sync-status/people.psql");
        const project = { SUPABASE_URL: stack.url, SUPABASE_PUBLISHABLE_KEY: PUBLISHABLE_KEY, PEOPLE_FILE };
        const { addScene, signIn, removeUsers } = managePeople(project, stack.sql);
        const { importing, finished, nobody } = await addScene();
        const ask = async (person: typeof nobody) =>
          (await poll(stack.functionUrl, await signIn(person))).text;
        assert.match(await ask(importing), /^{"active":true,"job":{/);
        assert.match(await ask(finished), /^{"active":false,"recent_job":{/);
        assert.match(await ask(nobody), /"code":"forbidden"/);
        await removeUsers("%");
        assert.equal((await stack.sql("table public.users")).length, 0);
      } finally {
        await stack.stop();
        await drop();
      }
    },
  );
}
