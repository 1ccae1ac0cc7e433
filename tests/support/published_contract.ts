/**
 * The published contract: reads answers as openapi.json describes them. The
 * function itself loads none of this.
 *
 * @module
 */

import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import document from "../../docs/openapi.json" with { type: "json" };
import type { ErrorBody, SyncStatus } from "../../supabase/functions/get-sync-status/types.ts";

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);

/**
 * Compiles a schema; its references lead into openapi.json.
 *
 * @returns a function that gives the value as it is, and throws an Error that
 * says what is wrong with it where it does not fit the schema
 */
export function parserOf<Type>(schema: Record<string, unknown>): (value: unknown) => Type {
  const fits = ajv.compile<Type>({ ...schema, components: document.components });
  return (value) => {
    if (fits(value)) return value;
    throw new Error(`${ajv.errorsText(fits.errors)}: ${JSON.stringify(value)}`);
  };
}

/** Reads the body of a 200. */
export const parseSyncStatus = parserOf<SyncStatus>({ $ref: "#/components/schemas/SyncStatus" });

/** Reads the body of every answer that is not a 200. */
export const parseErrorBody = parserOf<ErrorBody>({ $ref: "#/components/schemas/ErrorBody" });
