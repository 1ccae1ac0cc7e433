/**
 * `deno task adopt`, and the commands that it prints, with the real Supabase CLI
 * on PostgreSQL: projects with a history of their own. DATABASE_URL names the
 * server; without it, what needs one is left out.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import postgres from "postgres";
import { deno, pathOf, supabase } from "../../local/commands.ts";
import { databaseServer, openDatabase } from "../../local/database.ts";
import { apply, platform, seed } from "../../local/platform.ts";
import { createDatabase } from "../../local/postgres_server.ts";
import { startStack } from "../../local/stack.ts";
import { leftOut, poll, test } from "../support/helpers.ts";
import { deploy } from "../support/management_api.ts";

const LIMIT_MS = 180_000;
const server = databaseServer();

/** A project that `supabase init` and its developers have made. */
interface Project {
  folder: string;
  /** Writes a file; gives its path in the project. */
  write(path: string, text: string): Promise<string>;
  read(path: string): Promise<string>;
  /** Every file with its text. */
  files(): Promise<Map<string, string>>;
  /** Runs `deno task adopt` on it; gives what it printed. */
  adopt(...args: string[]): Promise<string>;
}

let initial: Promise<string> | undefined;

/** The config.toml that `supabase init` writes. */
function initialConfig(): Promise<string> {
  return initial ??= (async () => {
    const folder = await Deno.makeTempDir();
    try {
      await supabase(["init"], { cwd: folder });
      return await Deno.readTextFile(join(folder, "supabase", "config.toml"));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  })();
}

/** The files below a folder, without the CLI's own temporary ones. */
async function listFiles(folder: string, below = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, below))) {
    const path = join(below, name);
    if (!isDirectory) files.push(path);
    else if (name !== ".temp") files.push(...await listFiles(folder, path));
  }
  return files;
}

/** Registers a test that is given a fresh project with migrations of its own. */
function withProject(
  sentence: string,
  migrations: Record<string, string>,
  check: (project: Project) => Promise<void>,
): void {
  test(sentence, async () => {
    const folder = await Deno.makeTempDir({ prefix: "ein Projekt ü " });
    const project: Project = {
      folder,
      async write(path, text) {
        await Deno.mkdir(join(folder, path, ".."), { recursive: true });
        await Deno.writeTextFile(join(folder, path), text);
        return path;
      },
      read: (path) => Deno.readTextFile(join(folder, path)),
      async files() {
        const files = await listFiles(folder);
        return new Map(
          await Promise.all(files.map(async (path) => [path, await project.read(path)] as const)),
        );
      },
      adopt: (...args) =>
        deno(["run", "--allow-all", pathOf("../../scripts/adopt.ts", import.meta.url), folder, ...args]),
    };
    try {
      await project.write("supabase/config.toml", await initialConfig());
      for (const [name, sql] of Object.entries(migrations)) {
        await project.write(`supabase/migrations/${name}`, sql);
      }
      await check(project);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }, LIMIT_MS);
}

/** A project's own migrations, ten of them, none of which concerns the endpoint. */
const TEN = Object.fromEntries(
  Array.from({ length: 10 }, (_, i) => [
    `2026010${i}000000_notes_${i}.sql`,
    `create table public.notes_${i} (id bigint primary key, note text);\n`,
  ]),
);

/** A project that already has most of what the endpoint adds. */
const CROWDED = {
  "20260101000000_users.sql": `-- Everybody who has signed up: create table agencies comes later.
create table public.users (
  id    uuid primary key references auth.users (id) on delete cascade,
  email text
);
alter table public.users enable row level security;
grant select, update on public.users to authenticated;
create policy "Users update their own row" on public.users for update to authenticated
using (id = (select auth.uid()));
`,
  "20260102000000_private.sql": `create schema private;
create table private.secrets (secret text);
create function public.get_active_sync_job() returns text language sql as $$ select 'ours'; $$;
`,
};

withProject("adopt --dry-run says what it would write, and writes nothing", TEN, async (project) => {
  const before = await project.files();
  const said = await project.adopt("--dry-run");
  assert.deepEqual(await project.files(), before);
  for (const path of ["functions/get-sync-status/index.ts", "tests/get-sync-status/01_tables.sql"]) {
    assert(said.includes(`would write supabase/${path}`), said);
  }
  assert(said.includes("would append to supabase/config.toml"), said);
});

withProject("adopt dates its migrations after the project's last one, and writes nothing twice", {
  ...TEN,
  "29991231235959_last.sql": "select 1;\n",
}, async (project) => {
  await project.adopt();
  const files = await project.files();
  const dates = [...files.keys()].filter((path) =>
    /_(agencies_and_users|historical_sync_jobs|get_active_sync_job)\.sql/.test(path) &&
    path.includes("migrations")
  ).sort();
  assert.deepEqual(dates.map((path) => /\d{14}/.exec(path)?.[0]), [
    "30000101000000",
    "30000101000001",
    "30000101000002",
  ]);
  assert.match(await project.adopt(), /^Everything is there already\.\n/);
  assert.deepEqual(await project.files(), files);
});

withProject("adopt overwrites nothing, and says what it left as it is", TEN, async (project) => {
  const path = await project.write("supabase/functions/get-sync-status/handler.ts", "// ours\n");
  const said = await project.adopt();
  assert(said.includes(`left as it is, though it differs: ${path}`), said);
  assert.equal(await project.read(path), "// ours\n");
});

withProject(
  "adopt names each thing that needs a decision, with its file and line",
  CROWDED,
  async (project) => {
    const said = await project.adopt("--dry-run");
    for (
      const finding of [
        "20260101000000_users.sql:2 makes a table users",
        "20260101000000_users.sql:7 grants rights",
        "20260101000000_users.sql:8 makes a policy",
        "20260102000000_private.sql:1 makes a schema private",
        "20260102000000_private.sql:3 has a function get_active_sync_job",
      ]
    ) {
      assert(said.includes(`- supabase/migrations/${finding}`), `${finding} in ${said}`);
    }
    assert.equal(said.includes("makes a table agencies"), false, "a comment is no table");
  },
);

const ODD: [string, string, string[]][] = [
  ["quoted names and upper case", 'CREATE TABLE IF NOT EXISTS "public"."users" (id uuid);', [
    ":1 makes a table users",
  ]],
  ["a table that is renamed", "create table profiles (id uuid);\nalter table profiles rename to users;", [
    ":2 makes a table users",
  ]],
  ["a table that is dropped again", "create table public.users (id uuid);\ndrop table public.users;", []],
  ["a table of another schema", "set search_path = app;\ncreate table users (id uuid);", []],
  [
    "words in a string, a comment and a body",
    "select 'create table users', $$create table agencies$$; -- create schema private",
    [],
  ],
  [
    "a glob that looks like a comment",
    "select 'public/*';\ncreate table public.agencies (id uuid);\nselect '*/5';",
    [":2 makes a table agencies"],
  ],
  [
    "rights on everything",
    "create table users (id uuid);\ngrant all on all tables in schema public to anon;\nalter default privileges grant all on tables to anon;\nalter policy p on users using (true);",
    [":1 makes a table users", ":2 grants rights", ":3 grants rights", ":4 makes a policy"],
  ],
  [
    "rights on other tables alone",
    "create table notes (id uuid);\ngrant all on notes to anon;\ncreate policy p on notes;",
    [],
  ],
  ["a view of that name", "create view public.agencies as select 1 as id;", [":1 makes a view agencies"]],
  ["text that is no SQL", "\\\\restrict\nselect 1;", [" can't be read"]],
  ["a migration with the title of a copied one", "create table public.historical_sync_jobs (id bigint);", [
    ":1 makes a table historical_sync_jobs",
  ]],
];
for (const [what, sql, due] of ODD) {
  withProject(`adopt reads ${what}`, { "20260101000000_historical_sync_jobs.sql": sql }, async (project) => {
    const said = await project.adopt("--dry-run");
    const found = said.split("\n").filter((line) => line.startsWith("- "));
    assert.equal(found.length, due.length, said);
    for (const [i, words] of due.entries()) {
      assert(
        found[i]?.startsWith(`- supabase/migrations/20260101000000_historical_sync_jobs.sql${words}`),
        said,
      );
    }
    assert.match(said, /would write supabase\/migrations\/\d{14}_historical_sync_jobs\.sql/);
  });
}

const CONFIGS: [string, string, RegExp][] = [
  [
    "an entry in another spelling",
    "[functions]\nget-sync-status = { verify_jwt = false }\n",
    /^(?![^]*supabase\/config\.toml)/,
  ],
  [
    "an entry that lets the gateway check",
    "[functions.'get-sync-status']\nverify_jwt = true\n",
    /- supabase\/config\.toml must say verify_jwt = false/,
  ],
  ["other functions alone", "[functions.other]\nverify_jwt = true", /would append to supabase\/config\.toml/],
];
for (const [what, toml, due] of CONFIGS) {
  withProject(`adopt reads a config.toml with ${what}`, {}, async (project) => {
    await project.write("supabase/config.toml", toml);
    assert.match(await project.adopt("--dry-run"), due);
  });
}

withProject("adopt says what to add to a config.json", {}, async (project) => {
  await Deno.remove(join(project.folder, "supabase/config.toml"));
  await project.write("supabase/config.json", "{}");
  assert.match(await project.adopt("--dry-run"), /- supabase\/config\.json must say verify_jwt = false/);
});

withProject(
  "adopt fails with one sentence where no migration can come after the last one",
  { "99999999999999_last.sql": "select 1;" },
  async (project) => {
    await assert.rejects(
      project.adopt("--dry-run"),
      /No migration can be dated after 99999999999999, the last one of the project/,
    );
  },
);

test("adopt fails with one sentence where the folder is no Supabase project", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const adopt = pathOf("../../scripts/adopt.ts", import.meta.url);
    await assert.rejects(
      deno(["run", "--allow-all", adopt, folder]),
      /is not the folder of a Supabase project: it has no supabase\/config\.toml\.\n$/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

if (server) {
  /** Runs the commands that adopt printed, with the database's address instead of the linked project. */
  const runNext = async (said: string, project: Project, url: string): Promise<void> => {
    const commands = said.split("\n").flatMap((line) =>
      /^ {2}npx -y supabase@\S+ (.*)$/.exec(line)?.[1] ?? []
    );
    assert.deepEqual(commands, [
      "login",
      "link --project-ref <ref>",
      "db push --remote --dry-run",
      "db push --remote",
      "functions deploy get-sync-status --use-api",
    ]);
    // The first two need a Supabase account.
    for (const command of commands.slice(2)) {
      const args = command.split(" ");
      if (args[0] === "functions") {
        const own = await Array.fromAsync(
          Deno.readDir(join(project.folder, "supabase/functions/get-sync-status")),
        );
        assert.equal((await deploy(args, project.folder)).files.size, own.length);
      } else {await supabase([...args.map((arg) => arg === "--remote" ? `--remote=${url}` : arg), "--yes"], {
          cwd: project.folder,
        });}
    }
  };

  /** Asserts that the adopted function answers each demo user as the function here does. */
  const answersAll = async (project: Project, url: string): Promise<void> => {
    const database = openDatabase(url);
    await apply([await seed()], database.run);
    const entrypoint = pathToFileURL(join(project.folder, "supabase/functions/get-sync-status/index.ts"));
    const stack = await startStack({ database: () => Promise.resolve(database), entrypoint });
    try {
      const told = async (user: string) =>
        (await poll(stack.functionUrl, await stack.signIn(`${user}@example.com`))).text;
      assert.match(await told("importing"), /^{"active":true,"job":{/);
      assert.match(await told("finished"), /^{"active":false,"recent_job":{/);
      assert.equal(await told("new"), '{"active":false,"recent_job":null}');
      assert.match(await told("nobody"), /"code":"forbidden"/);
    } finally {
      await stack.stop();
    }
  };

  /** Registers a test on a database in which the project's own migrations have been applied. */
  const adopting = (
    sentence: string,
    migrations: Record<string, string>,
    check: (project: Project, url: string) => Promise<void>,
  ) =>
    withProject(sentence, migrations, async (project) => {
      const { url, drop } = await createDatabase(server);
      try {
        const sql = postgres(url, { onnotice: () => {} });
        await apply(await platform(), (script) => sql.unsafe(script));
        await sql.end();
        const remote = new URL(url);
        remote.searchParams.set("sslmode", "disable");
        await supabase(["db", "push", `--remote=${remote.href}`, "--yes"], { cwd: project.folder });
        const before = await project.files();
        await check(project, remote.href);
        for (const [path, text] of before) {
          const now = await project.read(path);
          // The function's entry is appended to config.toml.
          if (path.endsWith("config.toml")) assert(now.startsWith(text), path);
          else assert.equal(now, text, path);
        }
      } finally {
        await drop();
      }
    });

  adopting(
    "adopt makes the endpoint answer all four demo users in an empty project",
    {},
    async (project, url) => {
      await runNext(await project.adopt(), project, url);
      await answersAll(project, url);
    },
  );

  adopting(
    "adopt makes the endpoint answer all four demo users in a project with ten migrations",
    TEN,
    async (project, url) => {
      await runNext(await project.adopt(), project, url);
      await answersAll(project, url);
    },
  );

  adopting(
    "adopt copies migrations that stop with a sentence at each conflict, and apply once the conflicts are resolved",
    CROWDED,
    async (project, url) => {
      const said = await project.adopt();
      const migration = async (title: string) =>
        [...(await project.files()).keys()].find((path) =>
          path.endsWith(`_${title}.sql`) && path.includes("migrations")
        ) ?? "";
      const begin = async (path: string, sql: string) =>
        await project.write(path, sql + await project.read(path));

      await assert.rejects(
        runNext(said, project, url),
        /A policy on public\.users lets users insert or update agency_id/,
      );
      await begin(
        await migration("agencies_and_users"),
        "revoke update on public.users from authenticated;\ngrant update (email) on public.users to authenticated;\n",
      );
      await assert.rejects(
        runNext(said, project, url),
        /There is a function public\.get_active_sync_job already: drop or rename it, then apply this migration again\./,
      );
      await begin(await migration("get_active_sync_job"), "drop function public.get_active_sync_job();\n");
      await runNext(said, project, url);
      await answersAll(project, url);
    },
  );

  adopting(
    "adopt gives users who had no rights on users only id and agency_id of their own row",
    {
      "20260101000000_closed.sql":
        `create table public.agencies (id uuid primary key default gen_random_uuid(), name text, iban text);
create table public.users (id uuid primary key, agency_id uuid references public.agencies (id), email text);
alter table public.users enable row level security;
revoke all on public.users, public.agencies from anon, authenticated;
`,
    },
    async (project, url) => {
      await runNext(await project.adopt(), project, url);
      const sql = postgres(url, { onnotice: () => {} });
      try {
        const rights = await sql`
          select table_name || '.' || column_name as name
          from   information_schema.column_privileges
          where  grantee = 'authenticated' and table_name in ('users', 'agencies')
          order by 1`;
        assert.deepEqual(rights.map(({ name }) => name), ["users.agency_id", "users.id"]);
      } finally {
        await sql.end();
      }
      await answersAll(project, url);
    },
  );

  adopting(
    "adopt copies migrations that stop where users has no row-level security",
    { "20260101000000_open.sql": "create table public.users (id uuid primary key, email text);\n" },
    async (project, url) => {
      await assert.rejects(
        runNext(await project.adopt(), project, url),
        /Row-level security is off on public\.users/,
      );
    },
  );
} else leftOut("adopted projects on a server", "DATABASE_URL names no PostgreSQL server");
