import assert from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";
import * as worker from "../examples/call/worker.ts";
import { SECRET_KEY, startStack } from "../local/stack.ts";
import { test } from "./support/helpers.ts";

const IMPORT = ["a0000000-0000-4000-8000-000000000003", "2025-01-01", "2025-03-01"] as const;
const COUNTERS = { processed_calls: 636, imported_calls: 630, skipped_calls: 4, failed_calls: 2 };

const stack = await startStack();
Deno.test.afterAll(() => stack.stop());
const supabase = createClient(stack.url, SECRET_KEY);
const token = await stack.signIn("new@example.com");

const page = await Deno.readTextFile(new URL("../docs/jobs.md", import.meta.url));
/** Runs a statement of the page; gives its row, or null. */
async function run(name: string, ...parameters: unknown[]) {
  const [, statement = ""] = new RegExp(`^-- ${name}\n([^;]*);`, "m").exec(page) ?? [];
  const [row] = await stack.sql<{ id: string }>(statement, parameters);
  return row ?? null;
}
const gaveRow = async (name: string, ...parameters: unknown[]) => await run(name, ...parameters) !== null;
const statements = {
  request: (_: unknown, ...job: string[]) =>
    run("request", ...job).then((row) => row?.id, (error) => assert.equal(error.code, "23505")),
  next: () => run("next"),
  start: (_: unknown, id: string, total: number | null) => gaveRow("start", id, total),
  progress: (_: unknown, id: string, counters: object) => gaveRow("progress", id, ...Object.values(counters)),
  end: (_: unknown, id: string, status: string) => gaveRow("end", id, status),
  cancel: (_: unknown, id: string) => gaveRow("cancel", id),
};
const [, failSilentJobs = ""] = /\$\$([^$]*)\$\$/.exec(page) ?? [];

/** The job that the endpoint shows. */
async function shown() {
  const answer = await fetch(stack.functionUrl, { headers: { Authorization: `Bearer ${token}` } });
  const { job, recent_job } = await answer.json();
  return job ?? recent_job;
}

/** Ages a job, fails silent jobs, and gives its status. */
async function statusAfter(time: string, id: string) {
  for (const column of ["created_at", "started_at", "last_activity_at"]) {
    const earlier = `${column} = ${column} - $2::interval`;
    await stack.sql(`update public.historical_sync_jobs set ${earlier} where id = $1`, [id, time]);
  }
  await stack.sql(failSilentJobs);
  const [job] = await stack.sql("select status from public.historical_sync_jobs where id = $1", [id]);
  return job?.status;
}

for (const [form, jobs] of [["jobs.md", statements], ["worker.ts", worker]] as const) {
  const request = async () => await jobs.request(supabase, ...IMPORT) ?? "none";

  test(`${form}: a job is requested, started, reported and ended, and nothing out of turn`, async () => {
    const id = await request();
    assert.equal((await jobs.next(supabase))?.id, id);
    assert.equal(await jobs.progress(supabase, id, COUNTERS), false);
    assert.equal(await jobs.end(supabase, id, "completed"), false);
    assert.equal(await request(), "none", "one is pending");
    const workers = Array.from({ length: 8 }, () => jobs.start(supabase, id, 501));
    assert.deepEqual((await Promise.all(workers)).filter(Boolean), [true], "one worker starts it");
    assert.equal(await request(), "none", "one is running");
    assert.equal(await jobs.next(supabase), null);
    assert(await jobs.progress(supabase, id, COUNTERS));
    const { started_at, last_activity_at, progress_percent, ...job } = await shown();
    assert(Date.parse(started_at) <= Date.parse(last_activity_at));
    assert.deepEqual({ ...job, ...COUNTERS }, job);
    assert.equal(progress_percent, 127);
    assert(await jobs.end(supabase, id, "completed"));
    assert.equal(await jobs.cancel(supabase, id), false);
    assert.equal((await shown()).status, "completed");
  });

  test(`${form}: a pending or running job is cancelled, and its worker finds none`, async () => {
    for (const hasStarted of [false, true]) {
      const id = await request();
      if (hasStarted) assert(await jobs.start(supabase, id, null));
      assert(await jobs.cancel(supabase, id));
      assert.equal(await jobs.start(supabase, id, null), false);
      assert.equal(await jobs.progress(supabase, id, COUNTERS), false);
      assert.equal((await shown()).status, "cancelled");
    }
  });

  test(`${form}: a silent job fails, and not too early; its slow worker finds none`, async () => {
    const id = await request();
    assert.equal(await statusAfter("23 hours", id), "pending");
    assert(await jobs.start(supabase, id, 100));
    assert.equal(await statusAfter("14 minutes", id), "in_progress");
    assert(await jobs.progress(supabase, id, COUNTERS));
    assert.equal(await statusAfter("14 minutes", id), "in_progress");
    assert.equal(await statusAfter("2 minutes", id), "failed");
    assert.equal(await jobs.progress(supabase, id, COUNTERS), false);
    assert.equal(await jobs.end(supabase, id, "completed"), false);
    const next = await request();
    assert.equal((await shown()).id, next, "the agency's next import is not blocked");
    assert.equal(await statusAfter("25 hours", next), "failed", "nobody has started it for a day");
  });
}
