/**
 * `deno task gen:openapi`: writes openapi.json from types.ts, from the
 * errors of handler.ts and with the version of CHANGELOG.md.
 */

import { createGenerator } from "ts-json-schema-generator";
import ACTIVE from "../examples/answers/active.json" with { type: "json" };
import IDLE from "../examples/answers/idle.json" with { type: "json" };
import { ERRORS, HEADERS, PREFLIGHT_HEADERS } from "../supabase/functions/get-sync-status/handler.ts";
import type { ErrorBody, ErrorCode, SyncStatus } from "../supabase/functions/get-sync-status/types.ts";
import { deno, pathOf } from "../local/commands.ts";

/** The newest release of CHANGELOG.md. */
const [, VERSION] =
  /^## \[(\d\S*)\]/m.exec(await Deno.readTextFile(pathOf("../CHANGELOG.md", import.meta.url))) ?? [];

/**
 * Makes JSON Schemas from the exported types of types.ts, each with its name
 * and its doc comment: a client generator makes types of the same names.
 */
function makeSchemas(): Record<string, unknown> {
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
  const schemas = JSON.stringify(definitions).replaceAll("#/definitions/", "#/components/schemas/");
  // Generators make a union only of `oneOf`, and a body is one of the two.
  return JSON.parse(schemas.replace('"SyncStatus":{"anyOf"', '"SyncStatus":{"oneOf"'));
}

const header = (schema = {}) => ({ required: true, schema: { type: "string", ...schema } });

/** Sent with every response. */
const SHARED_HEADERS = {
  "X-Request-Id": { ...header({ format: "uuid" }), description: "The log line of a failure repeats it." },
  ...Object.fromEntries(Object.entries(HEADERS).map(([name, value]) => [name, header({ const: value })])),
  // Any header may be added, and a newer supabase-js names more of them.
  "Access-Control-Allow-Headers": header(),
};

function respond(description: string, type: string, examples: Record<string, unknown>, headers = {}) {
  const names = Object.keys({ ...SHARED_HEADERS, ...headers });
  return {
    description,
    headers: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
    content: { "application/json": { schema: { $ref: `#/components/schemas/${type}` }, examples } },
  };
}

function respondError(code: ErrorCode) {
  const { error, headers } = ERRORS[code];
  return respond(error, "ErrorBody", { [code]: { value: { error, code } satisfies ErrorBody } }, headers);
}

const { status, headers } = ERRORS.method_not_allowed;
/** The other methods: no client may call them, so they are no operations. */
const DESCRIPTION = `
OPTIONS is answered with 204 and \`Access-Control-Max-Age: ${PREFLIGHT_HEADERS["Access-Control-Max-Age"]}\`,
any other method with ${status}, \`Allow: ${headers?.Allow}\` and the code \`method_not_allowed\`.
Neither looks at the token.`.trim();

const DOCUMENT = {
  openapi: "3.1.0",
  info: {
    title: "get-sync-status",
    version: VERSION,
    description: "How far the import of an agency's historical calls has come, or how the last import ended.",
    contact: { name: "The authors of get-sync-status" },
    license: { name: "MIT", identifier: "MIT" },
  },
  servers: [
    { url: "https://{ref}.supabase.co/functions/v1", variables: { ref: { default: "project-ref" } } },
    { url: "http://127.0.0.1:54321/functions/v1", description: "The local stack" },
  ],
  tags: [{ name: "sync", description: "The import of an agency's historical calls" }],
  security: [{ accessToken: [] }],
  paths: {
    "/get-sync-status": {
      get: {
        operationId: "getSyncStatus",
        tags: ["sync"],
        summary: "The active job, or else the most recent finished one",
        description: DESCRIPTION,
        responses: {
          200: respond("The status of the caller's own agency.", "SyncStatus", {
            active: { value: ACTIVE },
            idle: { value: IDLE },
            never: { value: { active: false, recent_job: null } satisfies SyncStatus },
          }),
          401: respondError("unauthorized"),
          403: respondError("forbidden"),
          500: respondError("internal_error"),
        },
      },
    },
  },
  components: {
    headers: {
      ...SHARED_HEADERS,
      "WWW-Authenticate": header({ const: ERRORS.unauthorized.headers?.["WWW-Authenticate"] }),
    },
    securitySchemes: {
      accessToken: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
    },
    schemas: makeSchemas(),
  },
};

/** Gives the OpenAPI document, formatted. */
export function generateOpenapi(): Promise<string> {
  return deno(["fmt", "--ext", "json", "--line-width", "110", "-"], JSON.stringify(DOCUMENT, null, 2));
}

if (import.meta.main) {
  await Deno.writeTextFile(pathOf("../docs/openapi.json", import.meta.url), await generateOpenapi());
}
