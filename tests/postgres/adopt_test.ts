/**
 * `deno task adopt` on projects with a history of their own. DATABASE_URL names
 * a server for what it copies to run on; without it, that is skipped.
 */

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { deno, pathOf, supabase } from "../../local/commands.ts";
import { createDatabase, databaseServer, openDatabase } from "../../local/database.ts";
import { apply, platform } from "../../local/platform.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { peopleOf, type Person } from "../../scripts/test_people.ts";
import { leftOut, poll, test } from "../support/helpers.ts";

const FUNCTION = "supabase/functions/get-sync-status";

const adopt = (folder: string, ...args: string[]) =>
  deno(["run", "--quiet", "--allow-all", pathOf("../../scripts/adopt.ts", import.meta.url), folder, ...args]);

const read = (folder: string, path: string) => Deno.readTextFile(join(folder, path));

async function write(folder: string, path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
  await Deno.writeTextFile(join(folder, path), text);
}

/** All files below a folder. */
async function list(folder: string, below = "supabase"): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(join(folder, below)));
  const paths = entries.map(({ name, isFile }) =>
    isFile ? [`${below}/${name}`] : list(folder, `${below}/${name}`)
  );
  return (await Promise.all(paths)).flat().sort();
}

/** Registers a test that is given the folder of a project, whose own files must stay as they are. */
function withProject(
  sentence: string,
  files: Record<string, string>,
  check: (folder: string) => Promise<void>,
) {
  test(sentence, async () => {
    const folder = await Deno.makeTempDir({ prefix: "ein Projekt ü " });
    try {
      await write(folder, "supabase/config.toml", `project_id = "theirs" # env(NAME)\n`);
      for (const [path, text] of Object.entries(files)) await write(folder, `supabase/${path}`, text);
      await check(folder);
      for (const [path, text] of Object.entries(files)) {
        assert.equal(await read(folder, `supabase/${path}`), text);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
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
  { "migrations/29991231235959_notes.sql": "create table public.notes (id bigint);\n" },
  async (folder) => {
    const before = await list(folder);
    const planned = (await adopt(folder, "--dry-run")).match(/(?<=would write )\S+/g) ?? [];
    assert.deepEqual(await list(folder), before);
    await adopt(folder);
    const after = await list(folder);
    assert.deepEqual(after, [...before, ...planned, `${FUNCTION}/adopted.json`].sort());
    assert(after.includes("supabase/migrations/29991231235960_demo_tenancy.sql"));
    assert.match(await adopt(folder), /^\nEverything is there already\.\n/);
    assert.deepEqual(await list(folder), after);
  },
);

withProject(
  "adopt asks what users shall be, says what to decide, and writes schema files after the project's own",
  { "migrations/20260101000000_users.sql": USERS, "schemas/tables/users.sql": USERS },
  async (folder) => {
    await assert.rejects(adopt(folder), /public\.organizations, public\.users\. Add --users=column/);
    const config = "[inbucket]\n[functions.get-sync-status]\nverify_jwt = true\n[x]\n";
    await write(folder, "supabase/config.toml", config);
    const printed = await adopt(folder, "--users=column");
    assert.match(
      printed,
      /names of your tables[^]*people\.psql[^]*Say verify_jwt = false[^]*refuses \[inbucket\]/,
    );
    const [theirs, ...ours] = (await list(folder)).filter((path) => path.startsWith("supabase/schemas/"));
    assert.equal(theirs, "supabase/schemas/tables/users.sql");
    const [, ...migrations] = (await list(folder)).filter((path) => path.startsWith("supabase/migrations/"));
    const readAll = (paths: string[]) => Promise.all(paths.map((path) => read(folder, path)));
    assert.deepEqual(await readAll(ours), await readAll(migrations));
    assert.equal(ours.length, 4);
  },
);

withProject("adopt says on an upgrade what may be replaced, and loses no edit", {}, async (folder) => {
  await adopt(folder);
  // An older version: one migration fewer, and other texts, one of which was edited.
  const notes = z.record(z.string(), z.unknown()).parse(
    JSON.parse(await read(folder, `${FUNCTION}/adopted.json`)),
  );
  // The SHA-256 of "old".
  const checksum = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4";
  for (const name of ["types.ts", "handler.ts"]) {
    notes[`${FUNCTION}/${name}`] = { source: name, checksum, version: "0.9.0" };
  }
  await write(folder, `${FUNCTION}/types.ts`, "old");
  await write(folder, `${FUNCTION}/handler.ts`, "edited");
  await write(folder, `${FUNCTION}/upstream.ts`, "edited, and nothing new");
  const last = (await list(folder)).find((path) => path.endsWith("_get_active_sync_job.sql")) ?? "";
  delete notes[last];
  await Deno.remove(join(folder, last));
  await write(folder, `${FUNCTION}/adopted.json`, JSON.stringify(notes));

  const printed = await adopt(folder);
  assert.match(printed, /^wrote supabase\/migrations\/\d+_get_active_sync_job\.sql\n\n/);
  assert.match(printed, /Delete these and run this again:\n {2}\S+types\.ts \(0\.9\.0\)\n\n/);
  assert.match(printed, /Take what you need:\n {2}git diff --no-index "[^\n]*handler\.ts"\n\n/);
  assert.equal(await read(folder, `${FUNCTION}/handler.ts`), "edited");
  await Deno.remove(join(folder, FUNCTION, "types.ts"));
  assert.match(await adopt(folder), /^wrote supabase\/functions\/get-sync-status\/types\.ts\n/);
});

const server = databaseServer();
if (!server) leftOut("an adopted project on a server", "DATABASE_URL names no PostgreSQL server");
else {
  withProject(
    "an adopted migration names the policy that opens it, and what it prints makes the function answer",
    { "migrations/20260101000000_users.sql": USERS },
    async (folder) => {
      const { url, drop } = await createDatabase(server);
      const database = openDatabase(url);
      await apply(await platform(), database.run);
      const up = () =>
        supabase(["migration", "up", `--remote=${url}?sslmode=disable`, "--yes"], { cwd: folder });
      await adopt(folder, "--users=column");
      const edit = async (ending: string, from: string | RegExp, to: string) => {
        const path = (await list(folder)).find((path) => path.endsWith(ending)) ?? "";
        await write(folder, path, (await read(folder, path)).replace(from, to));
      };
      await edit("_sync_jobs.sql", "public.agencies", "public.organizations");
      await edit("people.psql", /public\.agencies .*;/, "public.organizations values (agency, name, 'DE1');");
      await edit(
        "people.psql",
        /insert into public\.users[^;]*/,
        "update public.users set agency_id = agency where id = person",
      );
      const refusal = await up().then(() => "", String);
      assert.match(refusal, /Policy "Can update own user data\." on public\.users: authenticated may update/);
      await edit("_current_agency_id.sql", /^/, (refusal.match(/^ {2}revoke .*;$/gm) ?? []).join("\n"));
      await up();

      const entrypoint = pathToFileURL(join(folder, FUNCTION, "index.ts"));
      const stack = await startStack({ database: () => Promise.resolve(database), entrypoint });
      try {
        const people = await read(folder, "supabase/tests/get-sync-status/people.psql");
        const access = { url: stack.url, publishableKey: PUBLISHABLE_KEY, password: DEMO_PASSWORD, people };
        const { addScene, signIn } = peopleOf(access, stack.sql);
        const { importing, finished, fresh, nobody } = await addScene();
        const ask = async (person: Person) => (await poll(stack.functionUrl, await signIn(person))).text;
        assert.match(await ask(importing), /^{"active":true,"job":{/);
        assert.match(await ask(finished), /^{"active":false,"recent_job":{/);
        assert.equal(await ask(fresh), '{"active":false,"recent_job":null}');
        assert.match(await ask(nobody), /"code":"forbidden"/);
      } finally {
        await stack.stop();
        await drop();
      }
    },
  );
}
