/** Generated and copied files equal their sources; openapi.json is valid, and describes what the function answers. */

import assert from "node:assert/strict";
import document from "../docs/openapi.json" with { type: "json" };
import { npx, pathOf } from "../local/commands.ts";
import { generateOpenapi } from "../scripts/generate_openapi.ts";
import { generateTypes, TYPES_FILE } from "../scripts/generate_types.ts";
import { answer, authError, rows, startFunctionOnFake, TOKEN } from "../local/fake_upstream.ts";
import { poll, test } from "./support/helpers.ts";
import { parseSyncStatus } from "./support/published_contract.ts";

const PATH = pathOf("../docs/openapi.json", import.meta.url);
const REDOCLY_CLI = "@redocly/cli@2.77.0";

const { upstream, fn } = await startFunctionOnFake();

test("database.types.ts is what `deno task gen:types` writes from the migrations", async () => {
  assert.equal(await Deno.readTextFile(TYPES_FILE), await generateTypes());
});

test("examples/client/types.ts is a copy of the function's types.ts", async () => {
  const read = (path: string) => Deno.readTextFile(new URL(path, import.meta.url));
  assert.equal(
    await read("../examples/client/types.ts"),
    await read("../supabase/functions/get-sync-status/types.ts"),
  );
});

test("openapi.json is what `deno task gen:openapi` writes", async () => {
  assert.equal(await Deno.readTextFile(PATH), await generateOpenapi());
  assert.equal(document.components.schemas.SyncStatus.oneOf.length, 2);
});

test("openapi.json passes Redocly's recommended rules without a warning", async () => {
  const env = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
  const report = await npx(REDOCLY_CLI, ["lint", PATH, "--extends=recommended", "--format=json"], { env });
  assert.deepEqual(JSON.parse(report).problems, []);
});

test("openapi.json describes each answer to a GET: its body, its headers, its examples", async () => {
  const changes: Record<string, Parameters<typeof upstream.reset>[0]> = {
    401: { "auth.getUser": authError(403, "bad_jwt") },
    403: { users: rows({ agency_id: null }) },
    500: { users: answer(503, "") },
  };
  for (const [status, described] of Object.entries(document.paths["/get-sync-status"].get.responses)) {
    upstream.reset(changes[status]);
    const { status: answered, headers, body } = await poll(fn.url, TOKEN);
    assert.equal(String(answered), status);
    for (const [name, { schema }] of Object.entries(document.components.headers)) {
      const sent = headers.get(name);
      assert.equal(sent !== null, name in described.headers, name);
      if (sent && "const" in schema) assert.equal(sent, schema.const);
    }
    const examples = Object.values(described.content["application/json"].examples).map(({ value }) => value);
    if (status === "200") examples.forEach((example) => parseSyncStatus(example));
    else assert.deepEqual(examples, [body]);
  }
});
