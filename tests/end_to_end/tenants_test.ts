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

/** Sends a request to REST directly, as a browser's console can. */
async function rest(path: string, token: string | undefined, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers({ "apikey": project.publishableKey, "Content-Type": "application/json" });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  return await fetch(`${project.url}/rest/v1/${path}`, { ...init, headers });
}

const readJobIds = async (agency: string) => {
  const query = "select id from public.historical_sync_jobs where agency_id = $1";
  return (await project.sql<{ id: string }>(query, [agency])).map(({ id }) => id);
};

test("GET gives every kind of caller their own status in concurrent polls", async () => {
  const [ofHarbour, ofLakeside] = [await readJobIds(harbour), await readJobIds(lakeside)];
  const callers: [string | undefined, number, string[]][] = [
    [importing, 200, ofHarbour],
    [finished, 200, ofLakeside],
    [nobody, 403, []],
    [undefined, 401, []],
    ["x", 401, []],
  ];
  await repeat(100, project.pollsInFlight, async (i) => {
    const [token, status, jobs] = callers[i % callers.length] ?? [];
    const answer = await poll(project.functionUrl, token);
    assert.equal(answer.status, status);
    if (answer.status === 200) assert(jobs?.includes(jobId(answer) ?? ""));
  });
}, 180_000);

test("REST shows a user only their own row in users, their own agency and its jobs", async () => {
  const read = async (path: string) => await (await rest(path, importing)).json();
  assert.deepEqual(await read("users?select=id"), [{ id: scene.importing.id }]);
  assert.deepEqual(await read("agencies?select=id"), [{ id: harbour }]);
  const jobs: { agency_id: string }[] = await read("historical_sync_jobs?select=agency_id");
  assert.deepEqual([...new Set(jobs.map((job) => job.agency_id))], [harbour]);
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

test("REST shows no job and no agency to a user without one, or without a sign-in", async () => {
  for (const token of [nobody, undefined]) {
    for (const path of ["historical_sync_jobs", "agencies", "rpc/get_active_sync_job"]) {
      const response = await rest(path, token);
      const text = await response.text();
      assert(text === "[]" || (!token && response.status >= 400), `${path}: ${text}`);
    }
  }
});

test("REST lets no user join another agency, or insert, update or delete a job", async () => {
  const read = async () => [
    await project.sql("select * from public.historical_sync_jobs where agency_id = $1 order by id", [
      harbour,
    ]),
    await project.sql("select agency_id from public.users where id = $1", [scene.importing.id]),
  ];
  const before = await read();
  const period = { date_from: "2025-01-01", date_to: "2025-01-02" };
  const attempts: [string, string, unknown?][] = [
    ["PATCH", `users?id=eq.${scene.importing.id}`, { agency_id: lakeside }],
    ["POST", "historical_sync_jobs", { agency_id: harbour, status: "completed", ...period }],
    ["PATCH", `historical_sync_jobs?agency_id=eq.${harbour}`, { processed_calls: 1 }],
    ["DELETE", `historical_sync_jobs?agency_id=eq.${harbour}`],
  ];
  for (const [method, path, body] of attempts) {
    await (await rest(path, importing, { method, body: JSON.stringify(body) })).text();
  }
  assert.deepEqual(await read(), before);
});

test("GET answers with the new agency's job on the next poll after a move", async () => {
  try {
    await project.putIntoAgency(scene.importing.id, lakeside);
    const moved = await poll(project.functionUrl, importing);
    assert((await readJobIds(lakeside)).includes(jobId(moved) ?? ""));
    await project.putIntoAgency(scene.importing.id, null);
    assert.equal((await poll(project.functionUrl, importing)).status, 403);
  } finally {
    await project.putIntoAgency(scene.importing.id, harbour);
  }
});
