import assert from "node:assert/strict";
import document from "../docs/openapi.json" with { type: "json" };
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { answer, authError, type Changes, rows, TOKEN } from "../local/fake_upstream.ts";
import { startFunctionOnFake } from "./support/function_on_fake.ts";
import { poll, test } from "./support/helpers.ts";

const { upstream, fn } = await startFunctionOnFake();

const read = (path: string) => Deno.readTextFile(new URL(path, import.meta.url));

test("examples/client/types.ts is a copy of the function's types.ts", async () => {
  const source = await read("../supabase/functions/get-sync-status/types.ts");
  assert.equal(await read("../examples/client/types.ts"), source);
});

test("openapi.json has the version of the newest release in CHANGELOG.md", async () => {
  const [, newest] = /^## \[(\d\S*)\]/m.exec(await read("../CHANGELOG.md")) ?? [];
  assert.equal(document.info.version, newest);
});

test("openapi.json describes each answer to a GET and no other", async () => {
  const changes: Record<string, Changes> = {
    200: {},
    401: { "auth.getUser": authError(403, "bad_jwt") },
    403: { users: rows({ agency_id: null }) },
    500: { users: answer(503, "") },
  };
  const { responses } = document.paths["/get-sync-status"].get;
  assert.deepEqual(Object.keys(responses), Object.keys(changes));
  for (const [status, described] of Object.entries(responses)) {
    upstream.reset(changes[status]);
    const { status: answered, headers, body } = await poll(fn.url, TOKEN);
    assert.equal(String(answered), status);
    for (const [name, { schema }] of Object.entries(document.components.headers)) {
      const sent = headers.get(name);
      assert.equal(sent !== null, name in described.headers, name);
      if (sent && "const" in schema) assert.equal(sent, schema.const);
    }
    const examples = Object.values(described.content["application/json"].examples);
    const due = status === "200" ? [ACTIVE, IDLE, { active: false, recent_job: null }] : [body];
    assert.deepEqual(examples.map(({ value }) => value), due);
  }
});
