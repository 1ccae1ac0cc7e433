/** Agencies never see each other: through the function, and by asking REST directly. */

import assert from "node:assert/strict";
import { PUBLISHABLE_KEY, startStack } from "../../local/stack.ts";
import { jobId, poll, repeat, test } from "../../testing/helpers.ts";

const stack = await startStack();
Deno.test.afterAll(() => stack.stop());

const HARBOUR = "a0000000-0000-4000-8000-000000000001";
const LAKESIDE = "a0000000-0000-4000-8000-000000000002";

const importing = await stack.signIn("importing@example.com");
const finished = await stack.signIn("finished@example.com");
const nobody = await stack.signIn("nobody@example.com");

/** Asks REST directly, as anybody with a browser's console can. */
async function rest(path: string, token: string | undefined, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${stack.url}/rest/v1/${path}`, {
    ...init,
    headers: {
      "apikey": PUBLISHABLE_KEY,
      "Content-Type": "application/json",
      ...(token ? { "Authorization": `Bearer ${token}` } : {}),
    },
  });
}

const idsOf = async (agency: string) =>
  (await stack.sql<{ id: string }>("select id from public.historical_sync_jobs where agency_id = $1", [
    agency,
  ]))
    .map(({ id }) => id);

test("200 concurrent polls of two users give 200 right answers", async () => {
  const [harbour, lakeside] = [await idsOf(HARBOUR), await idsOf(LAKESIDE)];
  const answers = await repeat(200, stack.pollsInFlight, async (i) => {
    const answer = await poll(stack.functionUrl, i % 2 ? importing : finished);
    assert.equal(answer.status, 200);
    return (i % 2 ? harbour : lakeside).includes(jobId(answer) ?? "");
  });
  assert.equal(answers.filter(Boolean).length, 200);
});

test("concurrent polls of every kind of caller each get their own status", async () => {
  const callers: [string | undefined, number][] = [
    [importing, 200],
    [finished, 200],
    [nobody, 403],
    [undefined, 401],
    ["x", 401],
  ];
  await repeat(50, stack.pollsInFlight, async (i) => {
    const [token, status] = callers[i % callers.length] ?? [undefined, 401];
    assert.equal((await poll(stack.functionUrl, token)).status, status);
  });
});

test("REST shows a user the jobs of the own agency alone", async () => {
  const seen: { agency_id: string }[] = await (await rest("historical_sync_jobs?select=agency_id", importing))
    .json();
  assert.deepEqual([...new Set(seen.map((row) => row.agency_id))], [HARBOUR]);
});

test("REST with the other agency's id shows nothing", async () => {
  for (
    const path of [
      `historical_sync_jobs?agency_id=eq.${LAKESIDE}`,
      `rpc/get_active_sync_job?p_agency_id=${LAKESIDE}`,
      `agencies?id=eq.${LAKESIDE}`,
      `users?agency_id=eq.${LAKESIDE}`,
    ]
  ) {
    const response = await rest(path, importing);
    assert.equal(response.status, 200, path);
    assert.deepEqual(await response.json(), [], path);
  }
});

test("the RPC with the other agency's id shows nothing, with the own it shows the job", async () => {
  const call = async (token: string, agency: string) =>
    (await (await rest("rpc/get_active_sync_job", token, {
      method: "POST",
      body: JSON.stringify({ p_agency_id: agency }),
    })).json()).length;
  assert.equal(await call(finished, HARBOUR), 0);
  assert.equal(await call(importing, HARBOUR), 1);
});

test("a user sees the own row in users and the own agency, no other", async () => {
  const users = await (await rest("users?select=id", importing)).json();
  assert.deepEqual(users, [{ id: "b0000000-0000-4000-8000-000000000001" }]);
  const agencies = await (await rest("agencies?select=id", importing)).json();
  assert.deepEqual(agencies, [{ id: HARBOUR }]);
});

test("a user without an agency sees no job and no agency", async () => {
  for (const path of ["historical_sync_jobs", "agencies", "rpc/get_active_sync_job"]) {
    assert.deepEqual(await (await rest(path, nobody)).json(), [], path);
  }
});

test("whoever is not signed in sees nothing", async () => {
  for (const path of ["historical_sync_jobs", "agencies", "users", "rpc/get_active_sync_job"]) {
    const response = await rest(path, undefined);
    const body = await response.json();
    assert(
      response.status >= 400 || (Array.isArray(body) && body.length === 0),
      `${path}: ${JSON.stringify(body)}`,
    );
  }
});

test("a user cannot join another agency, nor change or make a job", async () => {
  const before = await stack.sql("select * from public.historical_sync_jobs order by id");
  await (await rest(`users?id=eq.b0000000-0000-4000-8000-000000000001`, importing, {
    method: "PATCH",
    body: JSON.stringify({ agency_id: LAKESIDE }),
  })).text();
  await (await rest("historical_sync_jobs", importing, {
    method: "POST",
    body: JSON.stringify({
      agency_id: HARBOUR,
      status: "completed",
      date_from: "2025-01-01",
      date_to: "2025-01-02",
    }),
  })).text();
  await (await rest(`historical_sync_jobs?agency_id=eq.${HARBOUR}`, importing, {
    method: "PATCH",
    body: JSON.stringify({ processed_calls: 1 }),
  })).text();
  await (await rest(`historical_sync_jobs?agency_id=eq.${HARBOUR}`, importing, { method: "DELETE" })).text();
  assert.deepEqual(await stack.sql("select * from public.historical_sync_jobs order by id"), before);
  const [user] = await stack.sql(
    "select agency_id from public.users where id = 'b0000000-0000-4000-8000-000000000001'",
  );
  assert.equal(user?.agency_id, HARBOUR);
});

test("a user who moves to another agency sees that agency's job with the next poll", async () => {
  const move = (agency: string | null) =>
    stack.sql("update public.users set agency_id = $1 where id = 'b0000000-0000-4000-8000-000000000001'", [
      agency,
    ]);
  try {
    await move(LAKESIDE);
    const moved = await poll(stack.functionUrl, importing);
    assert((await idsOf(LAKESIDE)).includes(jobId(moved) ?? ""));
    await move(null);
    assert.equal((await poll(stack.functionUrl, importing)).status, 403);
  } finally {
    await move(HARBOUR);
  }
});
