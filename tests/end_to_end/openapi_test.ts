/** openapi.json: current, valid, and true of the running function. */

import assert from "node:assert/strict";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { z } from "zod";
import { generateOpenapi, OPENAPI_FILE } from "../../scripts/generate_openapi.ts";
import { startFunction } from "../../local/function_process.ts";
import { KEY, TOKEN } from "../../testing/fake_upstream.ts";
import { test } from "../../testing/helpers.ts";
import { startProject } from "../../testing/project.ts";

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
  }).optional(),
});
const document = z.object({
  paths: z.object({
    "/get-sync-status": z.record(z.string(), z.object({ responses: z.record(z.string(), response) })),
  }),
  components: z.object({ schemas: z.record(z.string(), schema) }),
}).parse(JSON.parse(text));

const operations = document.paths["/get-sync-status"];
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);

/** Asserts that a value is what a schema of the document says. */
function fits(value: unknown, schema: Record<string, unknown>): void {
  const valid = ajv.validate({ ...schema, components: document.components }, value);
  assert(valid, ajv.errorsText());
}

/** Asserts that an answer of the function is one that the document describes. */
async function isDescribed(method: string, answer: Response): Promise<void> {
  const described = operations[method.toLowerCase()]?.responses[answer.status];
  assert(described, `${method} may answer ${answer.status}`);
  for (const [name, header] of Object.entries(described.headers)) {
    fits(answer.headers.get(name), header.schema);
  }
  const body = await answer.text();
  const content = described.content?.["application/json"];
  if (!content) return assert.equal(body, "");
  assert.equal(answer.headers.get("Content-Type"), "application/json");
  fits(JSON.parse(body), content.schema);
  if (content.example !== undefined) assert.deepEqual(JSON.parse(body), content.example);
}

test("openapi.json is what the contract gives; `deno task gen:openapi` makes it so", async () => {
  assert.equal(text, await generateOpenapi());
});

test("openapi.json is a valid OpenAPI 3.1 document", async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(JSON.parse(text));
  assert(valid, JSON.stringify(errors));
  assert.equal(validator.version, "3.1");
});

test("each example of openapi.json fits its own schema", () => {
  let examples = 0;
  for (const { responses } of Object.values(operations)) {
    for (const { content } of Object.values(responses)) {
      const json = content?.["application/json"];
      if (!json) continue;
      const values = [json.example, ...Object.values(json.examples ?? {}).map(({ value }) => value)];
      for (const value of values.filter((value) => value !== undefined)) {
        fits(value, json.schema);
        examples++;
      }
    }
  }
  assert(examples >= 7);
});

for (const name of ["importing", "finished", "fresh", "nobody"] as const) {
  test(`openapi.json is true of what the user ${name} is told`, async () => {
    const answer = await fetch(project.functionUrl, {
      headers: {
        Authorization: `Bearer ${await project.signIn(scene[name])}`,
        apikey: project.publishableKey,
      },
    });
    assert.equal(answer.status, name === "nobody" ? 403 : 200);
    await isDescribed("GET", answer);
  });
}

test("openapi.json is true of a 401, a 405 of each method, a 500 and the preflight", async () => {
  await isDescribed("GET", await fetch(project.functionUrl));
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    const answer = await fetch(project.functionUrl, { method });
    assert.equal(answer.status, 405);
    await isDescribed(method, answer);
  }
  await isDescribed("OPTIONS", await fetch(project.functionUrl, { method: "OPTIONS" }));

  const withoutUpstream = await startFunction({
    env: { SUPABASE_URL: "http://127.0.0.1:9", SUPABASE_ANON_KEY: KEY },
  });
  try {
    const answer = await fetch(withoutUpstream.url, { headers: { Authorization: `Bearer ${TOKEN}` } });
    assert.equal(answer.status, 500);
    await isDescribed("GET", answer);
  } finally {
    await withoutUpstream.stop();
  }
});
