/** Tenant isolation: through the function, and through REST directly. */

import assert from "node:assert/strict";
import { jobId, poll, repeat, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const scene = await project.addScene();
const { harbour, lakeside } = scene;
const importing = await project.signIn(scene.importing);
const finished = await project.signIn(scene.finished);
const nobody = await project.signIn(scene.nobody);

/** For a slow machine under other load. */
const LIMIT_MS = 180_000;

/** Sends a request to REST directly, as a browser's console can. */
async function rest(path: string, token: string | undefined, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${project.url}/rest/v1/${path}`, {
    ...init,
    headers: {
      "apikey": project.publishableKey,
      "Content-Type": "application/json",
      ...(token ? { "Authorization": `Bearer ${token}` } : {}),
    },
  });
}

const idsOf = async (agency: string) =>
  (await project.sql<{ id: string }>("select id from public.historical_sync_jobs where agency_id = $1", [
    agency,
  ]))
    .map(({ id }) => id);

test("GET gives 200 right answers to 200 concurrent polls of two users", async () => {
  const [ofHarbour, ofLakeside] = [await idsOf(harbour), await idsOf(lakeside)];
  const answers = await repeat(200, project.pollsInFlight, async (i) => {
    const answer = await poll(project.functionUrl, i % 2 ? importing : finished);
    assert.equal(answer.status, 200);
    return (i % 2 ? ofHarbour : ofLakeside).includes(jobId(answer) ?? "");
  });
  assert.equal(answers.filter(Boolean).length, 200);
}, LIMIT_MS);

test("GET gives every kind of caller their own status in concurrent polls", async () => {
  const callers: [string | undefined, number][] = [
    [importing, 200],
    [finished, 200],
    [nobody, 403],
    [undefined, 401],
    ["x", 401],
  ];
  await repeat(50, project.pollsInFlight, async (i) => {
    const [token, status] = callers[i % callers.length] ?? [undefined, 401];
    assert.equal((await poll(project.functionUrl, token)).status, status);
  });
}, LIMIT_MS);

test("REST shows a user only the jobs of their own agency", async () => {
  const seen: { agency_id: string }[] = await (await rest("historical_sync_jobs?select=agency_id", importing))
    .json();
  assert.deepEqual([...new Set(seen.map((row) => row.agency_id))], [harbour]);
});

test("REST shows nothing for another agency's id", async () => {
  for (
    const path of [
      `historical_sync_jobs?agency_id=eq.${lakeside}`,
      `rpc/get_active_sync_job?p_agency_id=${lakeside}`,
      `agencies?id=eq.${lakeside}`,
      `users?agency_id=eq.${lakeside}`,
    ]
  ) {
    const response = await rest(path, importing);
    assert.equal(response.status, 200, path);
    assert.deepEqual(await response.json(), [], path);
  }
});

test("get_active_sync_job gives the job of the caller's own agency, and no row for another agency", async () => {
  const call = async (token: string, agency: string) =>
    (await (await rest("rpc/get_active_sync_job", token, {
      method: "POST",
      body: JSON.stringify({ p_agency_id: agency }),
    })).json()).length;
  assert.equal(await call(finished, harbour), 0);
  assert.equal(await call(importing, harbour), 1);
});

test("REST shows a user only their own row in users and their own agency", async () => {
  const users = await (await rest("users?select=id", importing)).json();
  assert.deepEqual(users, [{ id: scene.importing.id }]);
  const agencies = await (await rest("agencies?select=id", importing)).json();
  assert.deepEqual(agencies, [{ id: harbour }]);
});

test("REST shows a user without an agency no job and no agency", async () => {
  for (const path of ["historical_sync_jobs", "agencies", "rpc/get_active_sync_job"]) {
    assert.deepEqual(await (await rest(path, nobody)).json(), [], path);
  }
});

test("REST shows nothing without a sign-in", async () => {
  for (const path of ["historical_sync_jobs", "agencies", "users", "rpc/get_active_sync_job"]) {
    const response = await rest(path, undefined);
    const body = await response.json();
    assert(
      response.status >= 400 || (Array.isArray(body) && body.length === 0),
      `${path}: ${JSON.stringify(body)}`,
    );
  }
});

test("REST lets no user join another agency, or insert, update or delete a job", async () => {
  const jobs = () =>
    project.sql("select * from public.historical_sync_jobs where agency_id = $1 order by id", [harbour]);
  const before = await jobs();
  await (await rest(`users?id=eq.${scene.importing.id}`, importing, {
    method: "PATCH",
    body: JSON.stringify({ agency_id: lakeside }),
  })).text();
  await (await rest("historical_sync_jobs", importing, {
    method: "POST",
    body: JSON.stringify({
      agency_id: harbour,
      status: "completed",
      date_from: "2025-01-01",
      date_to: "2025-01-02",
    }),
  })).text();
  await (await rest(`historical_sync_jobs?agency_id=eq.${harbour}`, importing, {
    method: "PATCH",
    body: JSON.stringify({ processed_calls: 1 }),
  })).text();
  await (await rest(`historical_sync_jobs?agency_id=eq.${harbour}`, importing, { method: "DELETE" })).text();
  assert.deepEqual(await jobs(), before);
  const [user] = await project.sql("select agency_id from public.users where id = $1", [scene.importing.id]);
  assert.equal(user?.agency_id, harbour);
});

test("GET answers with the new agency's job on the next poll after a move", async () => {
  const move = (agency: string | null) =>
    project.sql("update public.users set agency_id = $1 where id = $2", [agency, scene.importing.id]);
  try {
    await move(lakeside);
    const moved = await poll(project.functionUrl, importing);
    assert((await idsOf(lakeside)).includes(jobId(moved) ?? ""));
    await move(null);
    assert.equal((await poll(project.functionUrl, importing)).status, 403);
  } finally {
    await move(harbour);
  }
});
