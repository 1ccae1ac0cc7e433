import { z } from "zod";
import document from "../../docs/openapi.json" with { type: "json" };
import type { ErrorBody, SyncStatus } from "../../supabase/functions/get-sync-status/types.ts";

const $defs = JSON.parse(
  JSON.stringify(document.components.schemas).replaceAll("#/components/schemas/", "#/$defs/"),
  // PostgreSQL's UUIDs are more than RFC 9562 names, and more than zod takes: the pattern beside it holds them.
  (key, value) => key === "format" && value === "uuid" ? undefined : value,
);

/** Makes the parser of a schema of openapi.json; it throws an Error that says what does not fit. */
function makeParser<Type>(name: string): (body: unknown) => Type {
  const schema = z.fromJSONSchema({ $ref: `#/$defs/${name}`, $defs }) as z.ZodType<Type>;
  return (body) => schema.parse(body);
}

/** Reads the body of a 200. */
export const parseSyncStatus = makeParser<SyncStatus>("SyncStatus");

/** Reads the body of every answer that is not a 200. */
export const parseErrorBody = makeParser<ErrorBody>("ErrorBody");
