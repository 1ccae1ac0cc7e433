/** openapi.json: generated, valid, and equal to what the function answers. */

import assert from "node:assert/strict";
import { z } from "zod";
import { generateOpenapi, OPENAPI_FILE } from "../../scripts/generate_openapi.ts";
import { npx } from "../../local/commands.ts";
import { startFunction } from "../../local/function_process.ts";
import { KEY, TOKEN } from "../support/fake_upstream.ts";
import { keepsContract, test } from "../support/helpers.ts";
import { startProject } from "../support/project.ts";
import { parseErrorBody, parserOf } from "../support/published_contract.ts";

const REDOCLY_CLI = "@redocly/cli@2.77.0";

const project = await startProject();
Deno.test.afterAll(() => project.stop());

const scene = await project.addScene();

const text = await Deno.readTextFile(OPENAPI_FILE);

const schema = z.record(z.string(), z.unknown());
const response = z.object({
  headers: z.record(z.string(), z.object({ schema })),
  content: z.object({
    "application/json": z.object({
      schema,
      example: z.unknown().optional(),
      examples: z.record(z.string(), z.object({ value: z.unknown() })).optional(),
    }),
  }),
});
const document = z.object({
  paths: z.object({
    "/get-sync-status": z.strictObject({
      get: z.object({ description: z.string(), responses: z.record(z.string(), response) }),
    }),
  }),
}).parse(JSON.parse(text));

const { description, responses } = document.paths["/get-sync-status"].get;

/** Asserts that the answer to a GET is one that the document describes. */
async function isDescribed(answer: Response): Promise<void> {
  const described = responses[answer.status];
  assert(described, `a GET may be answered with ${answer.status}`);
  for (const [name, header] of Object.entries(described.headers)) {
    parserOf(header.schema)(answer.headers.get(name));
  }
  const body = await answer.text();
  const content = described.content["application/json"];
  assert.equal(answer.headers.get("Content-Type"), "application/json");
  parserOf(content.schema)(JSON.parse(body));
  if (content.example !== undefined) assert.deepEqual(JSON.parse(body), content.example);
}

test("openapi.json is what `deno task gen:openapi` writes", async () => {
  assert.equal(text, await generateOpenapi());
});

test("openapi.json passes Redocly's recommended rules without a warning", async () => {
  const report = await npx(REDOCLY_CLI, [
    "lint",
    "docs/openapi.json",
    "--extends=recommended",
    "--format=json",
  ], {
    env: { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
  });
  assert.deepEqual(JSON.parse(report).problems, []);
});

test("each example of openapi.json fits its own schema", () => {
  let examples = 0;
  for (const { content } of Object.values(responses)) {
    const json = content["application/json"];
    const values = [json.example, ...Object.values(json.examples ?? {}).map(({ value }) => value)];
    for (const value of values.filter((value) => value !== undefined)) {
      parserOf(json.schema)(value);
      examples++;
    }
  }
  assert.equal(examples, 6);
});

for (const name of ["importing", "finished", "fresh", "nobody"] as const) {
  test(`openapi.json describes the answer to the user ${name}`, async () => {
    const answer = await fetch(project.functionUrl, {
      headers: {
        Authorization: `Bearer ${await project.signIn(scene[name])}`,
        apikey: project.publishableKey,
      },
    });
    assert.equal(answer.status, name === "nobody" ? 403 : 200);
    await isDescribed(answer);
  });
}

test("openapi.json describes the 405 of each method, and the preflight", async () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    const { status, headers, body } = await keepsContract(await fetch(project.functionUrl, { method }));
    const { code } = parseErrorBody(body);
    const told = `Any other method is answered with ${status}, \`Allow: ${
      headers.get("Allow")
    }\` and the code \`${code}\`.`;
    assert(description.includes(told), told);
  }
  const { status, headers } = await keepsContract(await fetch(project.functionUrl, { method: "OPTIONS" }));
  const maxAge = headers.get("Access-Control-Max-Age");
  const told = `is answered with ${status} and \`Access-Control-Max-Age: ${maxAge}\`.`;
  assert(description.includes(told), told);
});

test("openapi.json describes a 401 and a 500", async () => {
  await isDescribed(await fetch(project.functionUrl));
  const withoutUpstream = await startFunction({
    env: { SUPABASE_URL: "http://127.0.0.1:9", SUPABASE_ANON_KEY: KEY },
  });
  try {
    const answer = await fetch(withoutUpstream.url, { headers: { Authorization: `Bearer ${TOKEN}` } });
    assert.equal(answer.status, 500);
    await isDescribed(answer);
  } finally {
    await withoutUpstream.stop();
  }
});
