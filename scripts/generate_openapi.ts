/**
 * `deno task gen:openapi`: writes openapi.json from types.ts, from the
 * errors of handler.ts and with the version of CHANGELOG.md.
 *
 * @module
 */

import { createGenerator } from "ts-json-schema-generator";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { ERRORS, HEADERS, PREFLIGHT_HEADERS } from "../supabase/functions/get-sync-status/handler.ts";
import type { ErrorBody, ErrorCode, SyncStatus } from "../supabase/functions/get-sync-status/types.ts";
import { deno, pathOf } from "../local/commands.ts";

/** The file that front ends generate their clients from. */
export const OPENAPI_FILE = new URL("../docs/openapi.json", import.meta.url);

const NEVER: SyncStatus = { active: false, recent_job: null };

/** The newest release of CHANGELOG.md. */
const [, VERSION] =
  /^## \[(\d\S*)\]/m.exec(await Deno.readTextFile(pathOf("../CHANGELOG.md", import.meta.url))) ?? [];

/** The errors that a GET can be answered with. */
type GetError = Exclude<ErrorCode, "method_not_allowed">;

const README = await Deno.readTextFile(new URL("../README.md", import.meta.url));

/** When an error is answered, as the table of errors in README.md says it. */
function conditionOf(code: ErrorCode): string {
  const condition = new RegExp(`\\| \`${code}\` +\\| (.+?) +\\|`).exec(README)?.[1];
  if (!condition) throw new Error(`README.md has no row for the error ${code}.`);
  return `${condition.charAt(0).toUpperCase()}${condition.slice(1)}.`;
}

/**
 * The exported types of types.ts as JSON Schema, each by its name and with its
 * doc comment: a client generator makes types of the same names from them.
 */
function schemas(): unknown {
  const types = pathOf("../supabase/functions/get-sync-status/types.ts", import.meta.url);
  const { definitions } = createGenerator({
    // It takes a glob pattern, and a folder above may have brackets in its name.
    path: types.replace(/[?*()[\]{}]/g, "[$&]"),
    expose: "export",
    jsDoc: "extended",
    sortProps: false,
    // It would look for a folder node_modules; `deno task check` checks the file.
    skipTypeCheck: true,
  }).createSchema();
  return JSON.parse(JSON.stringify(definitions).replaceAll("#/definitions/", "#/components/schemas/"));
}

const header = (description: string, schema: Record<string, unknown> = { type: "string" }) => ({
  description,
  required: true,
  schema,
});

/** A header whose value is always the one that the handler sends. */
const fixed = (name: string, description: string) =>
  header(description, { const: new Headers(HEADERS).get(name) });

/** Sent with every response. */
const DESCRIBED_HEADERS = {
  "X-Request-Id": header("The log line of a failure repeats it.", { type: "string", format: "uuid" }),
  "Cache-Control": fixed("Cache-Control", "A status is true only now."),
  "Access-Control-Allow-Origin": fixed("Access-Control-Allow-Origin", "Every origin may read the answer."),
  "Access-Control-Allow-Headers": header("The headers that supabase-js sends."),
  "Access-Control-Allow-Methods": fixed("Access-Control-Allow-Methods", "The methods that are answered."),
  "Access-Control-Expose-Headers": fixed(
    "Access-Control-Expose-Headers",
    "What a page may read besides the body.",
  ),
};

const errorResponse = (code: GetError) => {
  const { error, headers = {} } = ERRORS[code];
  const own = Object.entries(headers).map(([name, value]) => [name, header("Fixed.", { const: value })]);
  return {
    description: conditionOf(code),
    headers: { ...DESCRIBED_HEADERS, ...Object.fromEntries(own) },
    content: {
      "application/json": {
        schema: { $ref: "#/components/schemas/ErrorBody" },
        example: { error, code } satisfies ErrorBody,
      },
    },
  };
};
const errorResponses = (...codes: GetError[]) =>
  Object.fromEntries(codes.map((code) => [ERRORS[code].status, errorResponse(code)]));

/** What is answered to any other method than GET: no client may call it, so it is no operation. */
const otherMethods = () => {
  const { status, headers } = ERRORS.method_not_allowed;
  return [
    `OPTIONS, the preflight of a browser, is answered with 204 and \`Access-Control-Max-Age: ${
      PREFLIGHT_HEADERS["Access-Control-Max-Age"]
    }\`.`,
    `Any other method is answered with ${status}, \`Allow: ${headers?.Allow}\` and the code \`method_not_allowed\`.`,
    "Neither looks at the token, and both have the headers that every answer has.",
  ].join(" ");
};

const DOCUMENT = {
  openapi: "3.1.0",
  info: {
    title: "get-sync-status",
    version: VERSION,
    description: "How far an agency's import of historical calls is, or how the last one ended.",
    license: { name: "MIT", identifier: "MIT" },
  },
  servers: [
    { url: "https://{ref}.supabase.co/functions/v1", variables: { ref: { default: "project-ref" } } },
    { url: "http://127.0.0.1:54321/functions/v1", description: "The local stack" },
  ],
  security: [{ accessToken: [] }],
  paths: {
    "/get-sync-status": {
      get: {
        operationId: "getSyncStatus",
        summary: "The active job, or else the most recent finished one",
        description: otherMethods(),
        responses: {
          200: {
            description: "The status of the caller's own agency.",
            headers: DESCRIBED_HEADERS,
            content: {
              "application/json": {
                schema: { $ref: "#/components/schemas/SyncStatus" },
                examples: {
                  active: { summary: "A job is pending or in progress", value: ACTIVE },
                  idle: { summary: "No job is active; the most recent finished one", value: IDLE },
                  never: { summary: "The agency never had a job", value: NEVER },
                },
              },
            },
          },
          ...errorResponses("unauthorized", "forbidden", "internal_error"),
        },
      },
    },
  },
  components: {
    securitySchemes: {
      accessToken: {
        type: "http",
        scheme: "bearer",
        bearerFormat: "JWT",
        description: "The access token that Supabase Auth gave the signed-in user.",
      },
    },
    schemas: schemas(),
  },
};

/** The OpenAPI document, formatted. */
export function generateOpenapi(): Promise<string> {
  return deno(["fmt", "--ext", "json", "--line-width", "110", "-"], JSON.stringify(DOCUMENT, null, 2));
}

if (import.meta.main) await Deno.writeTextFile(OPENAPI_FILE, await generateOpenapi());
