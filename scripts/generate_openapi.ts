/**
 * `deno task gen:openapi`: writes openapi.json from contract.ts and from the
 * errors of handler.ts.
 *
 * @module
 */

import * as z from "zod/mini";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { errorBody, syncStatus } from "../supabase/functions/get-sync-status/contract.ts";
import { ERRORS } from "../supabase/functions/get-sync-status/handler.ts";
import type { ErrorBody, ErrorCode, SyncStatus } from "../supabase/functions/get-sync-status/types.ts";
import { deno } from "../local/commands.ts";

/** The file that front ends generate their clients from. */
export const OPENAPI_FILE = new URL("../openapi.json", import.meta.url);

const NEVER: SyncStatus = { active: false, recent_job: null };

const MEANING: Record<ErrorCode, string> = {
  unauthorized: "The Bearer token is missing, malformed, expired, signed out or refused.",
  forbidden: "The user is not associated with an agency.",
  method_not_allowed: "The method is not GET.",
  internal_error:
    "Auth or the database failed, was slow, or answered against the contract. Comes within 10 seconds.",
};

/** A zod schema as JSON Schema, without the patterns that only repeat what a format says. */
const schemaOf = (schema: z.ZodMiniType) => {
  const { $schema: _, ...jsonSchema } = z.toJSONSchema(schema, {
    override: ({ jsonSchema }) => {
      if (jsonSchema.format) delete jsonSchema.pattern;
    },
  });
  return jsonSchema;
};

const header = (description: string, schema: Record<string, unknown> = { type: "string" }) => ({
  description,
  required: true,
  schema,
});

/** Sent with every response. */
const HEADERS = {
  "X-Request-Id": header("The log line of a failure repeats it.", { type: "string", format: "uuid" }),
  "Cache-Control": header("A status is true only now.", { const: "no-store" }),
  "Access-Control-Allow-Origin": header("Every origin may read the answer.", { const: "*" }),
  "Access-Control-Allow-Headers": header("The headers that supabase-js sends."),
  "Access-Control-Allow-Methods": header("The methods that are answered.", { const: "GET, OPTIONS" }),
  "Access-Control-Expose-Headers": header("What a page may read besides the body.", {
    const: "X-Request-Id",
  }),
};

const errorResponse = (code: ErrorCode) => {
  const { error, headers = {} } = ERRORS[code];
  const own = Object.entries(headers).map(([name, value]) => [name, header("Fixed.", { const: value })]);
  return {
    description: MEANING[code],
    headers: { ...HEADERS, ...Object.fromEntries(own) },
    content: {
      "application/json": {
        schema: { $ref: "#/components/schemas/Error" },
        example: { error, code } satisfies ErrorBody,
      },
    },
  };
};
const errorResponses = (...codes: ErrorCode[]) =>
  Object.fromEntries(codes.map((code) => [ERRORS[code].status, errorResponse(code)]));

/** Any method that is not GET or OPTIONS; the token is not looked at. */
const notAllowed = (method: string) => ({
  operationId: `${method}SyncStatus`,
  summary: "Not allowed",
  security: [],
  responses: errorResponses("method_not_allowed"),
});

const DOCUMENT = {
  openapi: "3.1.0",
  info: {
    title: "get-sync-status",
    version: "1.0.0",
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
        summary: "The active job, or else the most recent one",
        responses: {
          200: {
            description: "The status of the caller's own agency.",
            headers: HEADERS,
            content: {
              "application/json": {
                schema: { $ref: "#/components/schemas/SyncStatus" },
                examples: {
                  active: { summary: "A job is pending or in progress", value: ACTIVE },
                  idle: { summary: "None is; the most recent one that ended", value: IDLE },
                  never: { summary: "The agency never had a job", value: NEVER },
                },
              },
            },
          },
          ...errorResponses("unauthorized", "forbidden", "internal_error"),
        },
      },
      options: {
        operationId: "preflightSyncStatus",
        summary: "The preflight of a browser",
        security: [],
        responses: {
          204: {
            description: "What a page may send.",
            headers: {
              ...HEADERS,
              "Access-Control-Max-Age": header("A day; browsers cap it to what they allow.", {
                const: "86400",
              }),
            },
          },
        },
      },
      ...Object.fromEntries(["post", "put", "patch", "delete"].map((method) => [method, notAllowed(method)])),
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
    schemas: { SyncStatus: schemaOf(syncStatus), Error: schemaOf(errorBody) },
  },
};

/** The OpenAPI document, formatted. */
export function generateOpenapi(): Promise<string> {
  return deno(["fmt", "--ext", "json", "--line-width", "110", "-"], JSON.stringify(DOCUMENT, null, 2));
}

if (import.meta.main) await Deno.writeTextFile(OPENAPI_FILE, await generateOpenapi());
