import assert from "node:assert/strict";
import postgres from "postgres";
import { supabase } from "../../local/commands.ts";
import { createDatabase, databaseServer } from "../../local/database.ts";
import { apply, platform, seed } from "../../local/platform.ts";
import { reportSkipped, test } from "../support/helpers.ts";

const server = databaseServer();
if (server) await onServer(server);
else reportSkipped("advisors and plans on a server", "DATABASE_URL names no PostgreSQL server");

async function onServer(server: string): Promise<void> {
  const { url, drop } = await createDatabase(server);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await apply(await platform(), (script) => sql.unsafe(script));
  const cli = (...args: string[]) => supabase([...args, `--remote=${url}?sslmode=disable`, "--yes"]);
  await cli("db", "push");
  await apply([await seed()], (script) => sql.unsafe(script));
  Deno.test.afterAll(async () => {
    await sql.end({ timeout: 5 });
    await drop();
  });

  test("`supabase db advisors` finds nothing but unused indexes", async () => {
    const printed = await cli("db", "advisors", "--level", "info", "--fail-on", "none");
    const found: { name: string }[] = JSON.parse(printed.slice(printed.indexOf("[")));
    // A new database always has unused indexes.
    assert.deepEqual([...new Set(found.map(({ name }) => name))], ["unused_index"]);
  });

  test("the fallback query reads one index by every plan, and its policy runs once", async () => {
    await sql`insert into public.agencies (name) select 'Agency ' || i from generate_series(1, 500) as i`;
    await sql`
      insert into public.historical_sync_jobs (agency_id, status, date_from, date_to, created_at)
      select id, 'completed', '2025-01-01', '2025-03-01', '2025-01-01'::timestamptz + i * interval '1 hour'
      from   public.agencies, generate_series(1, 40) as i`;
    await sql`analyze`;
    for (const mode of ["custom", "generic"]) {
      const results = await sql.unsafe(`
        begin; set local plan_cache_mode = force_${mode}_plan; set local role authenticated;
        prepare fallback_${mode} (uuid, public.sync_job_status[]) as
        select * from public.historical_sync_jobs where agency_id = $1 and status = any ($2)
        order by created_at desc, id desc limit 1;
        explain execute fallback_${mode} (gen_random_uuid(), '{completed,failed,cancelled}')`).simple();
      await sql`rollback`;
      const plan = JSON.stringify(results.at(-1));
      assert.match(plan, /Index Scan using historical_sync_jobs_recent_idx/, mode);
      assert.doesNotMatch(plan, /Sort|Seq Scan/, mode);
      assert.match(plan, /InitPlan/, mode);
    }
  });
}
