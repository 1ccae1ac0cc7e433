/**
 * `deno task adopt` on projects with a history of their own. DATABASE_URL names
 * a server for what it copies to run on; without it, that is skipped.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deno, pathOf, supabase } from "../../local/commands.ts";
import { databaseServer, openDatabase } from "../../local/database.ts";
import { apply, platform } from "../../local/platform.ts";
import { createDatabase } from "../../local/postgres_server.ts";
import { DEMO_PASSWORD, PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { peopleOf, type Person } from "../../scripts/test_people.ts";
import { leftOut, poll, test } from "../support/helpers.ts";

const FUNCTION = "supabase/functions/get-sync-status";

const adopt = (folder: string, ...args: string[]) =>
  deno(["run", "--quiet", "--allow-all", pathOf("../../scripts/adopt.ts", import.meta.url), folder, ...args]);

/** Registers a test that is given a project: what reads and writes its files, all of them at once too. */
function withProject(
  sentence: string,
  files: Record<string, string>,
  check: (project: {
    folder: string;
    read(path: string): Promise<string>;
    write(path: string, text: string): Promise<void>;
    list(): Promise<string[]>;
  }) => Promise<void>,
): void {
  test(sentence, async () => {
    const folder = await Deno.makeTempDir({ prefix: "ein Projekt ü " });
    const read = (path: string) => Deno.readTextFile(join(folder, path));
    const write = async (path: string, text: string) => {
      await Deno.mkdir(join(folder, path, ".."), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
    };
    const list = async (below = "supabase"): Promise<string[]> => {
      const entries = await Array.fromAsync(Deno.readDir(join(folder, below)));
      const paths = entries.map(({ name, isFile }) =>
        isFile ? [`${below}/${name}`] : list(`${below}/${name}`)
      );
      return (await Promise.all(paths)).flat().sort();
    };
    try {
      await write("supabase/config.toml", `project_id = "theirs" # env(NAME)\n`);
      for (const [path, text] of Object.entries(files)) await write(`supabase/${path}`, text);
      await check({ folder, read, write, list });
      for (const [path, text] of Object.entries(files)) assert.equal(await read(`supabase/${path}`), text);
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
  async ({ folder, list }) => {
    const before = await list();
    const planned = (await adopt(folder, "--dry-run")).match(/(?<=would write )\S+/g) ?? [];
    assert.deepEqual(await list(), before);
    await adopt(folder);
    const after = await list();
    assert.deepEqual(after, [...before, ...planned, `${FUNCTION}/adopted.json`].sort());
    assert(after.includes("supabase/migrations/29991231235960_demo_tenancy.sql"));
    assert.match(await adopt(folder), /^\nEverything is there already\.\n/);
    assert.deepEqual(await list(), after);
  },
);

withProject(
  "adopt asks what users shall be, writes schema files too, after the project's own, and names what to edit",
  { "migrations/20260101000000_users.sql": USERS, "schemas/tables/users.sql": USERS },
  async ({ folder, list, read, write }) => {
    await assert.rejects(
      adopt(folder),
      /makes the tables public\.organizations, public\.users\. Add --users=column/,
    );
    await write("supabase/config.toml", "[inbucket]\n[functions.get-sync-status]\nverify_jwt = true\n[x]\n");
    const printed = await adopt(folder, "--users=column");
    for (
      const due of ["_users_column.sql\n", "refuses [inbucket]", "Say verify_jwt = false", "people.psql"]
    ) {
      assert(printed.includes(due), due);
    }
    const schemas = (await list()).filter((path) => path.startsWith("supabase/schemas/"));
    const copies = [
      "1_users_column",
      "2_current_agency_id",
      "3_historical_sync_jobs",
      "4_get_active_sync_job",
    ];
    const own = copies.map((name) => `supabase/schemas/zz_get_sync_status/${name}.sql`);
    assert.deepEqual(schemas, ["supabase/schemas/tables/users.sql", ...own]);
    for (
      const [i, path] of (await list()).filter((path) => /migrations\/(?!20260101)/.test(path)).entries()
    ) {
      assert.equal(await read(path), await read(own[i] ?? ""));
    }
  },
);

withProject("adopt says on an upgrade what may be replaced, and loses no edit", {}, async (project) => {
  const { folder, read, write } = project;
  await adopt(folder);
  // An older version: one migration fewer, and other texts, one of which was edited.
  const notes = JSON.parse(await read(`${FUNCTION}/adopted.json`));
  const checksum = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode("old")))
    .toHex();
  for (const name of ["types.ts", "handler.ts"]) {
    notes[`${FUNCTION}/${name}`] = { source: name, checksum, version: "0.9.0" };
  }
  await write(`${FUNCTION}/types.ts`, "old");
  await write(`${FUNCTION}/handler.ts`, "edited");
  await write(`${FUNCTION}/upstream.ts`, "edited, and nothing new");
  const last = (await project.list()).find((path) => path.endsWith("_get_active_sync_job.sql")) ?? "";
  delete notes[last];
  await Deno.remove(join(folder, last));
  await write(`${FUNCTION}/adopted.json`, JSON.stringify(notes));

  const printed = await adopt(folder);
  assert.match(printed, /^wrote supabase\/migrations\/\d+_get_active_sync_job\.sql\n\n/);
  assert.match(printed, /Delete these and run this again:\n {2}\S+types\.ts \(0\.9\.0\)\n\n/);
  assert.match(printed, /Take what you need:\n {2}git diff --no-index "[^\n]*handler\.ts"\n\n/);
  assert.equal(await read(`${FUNCTION}/handler.ts`), "edited");
  await Deno.remove(join(folder, FUNCTION, "types.ts"));
  assert.match(await adopt(folder), /^wrote supabase\/functions\/get-sync-status\/types\.ts\n/);
});

const server = databaseServer();
if (!server) leftOut("an adopted project on a server", "DATABASE_URL names no PostgreSQL server");
else {
  withProject(
    "an adopted migration names the policy that opens it, and what it prints makes the function answer",
    { "migrations/20260101000000_users.sql": USERS },
    async ({ folder, list, read, write }) => {
      const { url, drop } = await createDatabase(server);
      const database = openDatabase(url);
      await apply(await platform(), database.run);
      const up = () =>
        supabase(["migration", "up", `--remote=${url}?sslmode=disable`, "--yes"], { cwd: folder });
      await adopt(folder, "--users=column");
      const edit = async (ending: string, from: string | RegExp, to: string) => {
        const path = (await list()).find((path) => path.endsWith(ending)) ?? "";
        await write(path, (await read(path)).replace(from, to));
      };
      await edit("_sync_jobs.sql", "public.agencies", "public.organizations");
      const refusal = await up().then(() => "", String);
      assert.match(refusal, /Policy "Can update own user data\." on public\.users: authenticated may update/);
      await edit("_current_agency_id.sql", /^/, (refusal.match(/^ {2}revoke .*;$/gm) ?? []).join("\n"));
      await up();

      const entrypoint = pathToFileURL(join(folder, FUNCTION, "index.ts"));
      const stack = await startStack({ database: () => Promise.resolve(database), entrypoint });
      try {
        const edited = (await read("supabase/tests/get-sync-status/people.psql"))
          .replace(
            "public.agencies (id, name) values (agency, name)",
            "public.organizations values (agency, name, 'DE1')",
          )
          .replace(
            /insert into public\.users[^;]*/,
            "update public.users set agency_id = agency where id = person",
          );
        const access = {
          url: stack.url,
          publishableKey: PUBLISHABLE_KEY,
          password: DEMO_PASSWORD,
          people: edited,
        };
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
