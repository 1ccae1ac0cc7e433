import { z } from "zod";
import document from "../../docs/openapi.json" with { type: "json" };
import type { ErrorBody, SyncStatus } from "../../supabase/functions/get-sync-status/types.ts";

const $defs = JSON.parse(
  JSON.stringify(document.components.schemas).replaceAll("#/components/schemas/", "#/$defs/"),
  // zod takes fewer UUIDs than PostgreSQL: the pattern beside it holds them.
  (key, value) => key === "format" && value === "uuid" ? undefined : value,
);

/** Makes the parser of a schema of openapi.json; it throws what does not fit. */
function makeParser<Type>(name: string): (body: unknown) => Type {
  const schema = z.fromJSONSchema({ $ref: `#/$defs/${name}`, $defs }) as z.ZodType<Type>;
  return (body) => schema.parse(body);
}

/** Reads the body of a 200. */
export const parseSyncStatus = makeParser<SyncStatus>("SyncStatus");

/** Reads the body of an error. */
export const parseErrorBody = makeParser<ErrorBody>("ErrorBody");
