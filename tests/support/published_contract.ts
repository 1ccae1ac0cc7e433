import { z } from "zod";
import document from "../../docs/openapi.json" with { type: "json" };
import type { ErrorBody, SyncStatus } from "../../supabase/functions/get-sync-status/types.ts";

const $defs = JSON.parse(
  JSON.stringify(document.components.schemas).replaceAll("#/components/schemas/", "#/$defs/"),
  // zod takes fewer UUIDs than PostgreSQL: the pattern beside it holds them.
  (key, value) => key === "format" && value === "uuid" ? undefined : value,
);

/** Its parser throws if a body does not fit openapi.json. */
function makeParser<Type>(name: string): (body: unknown) => Type {
  const schema = z.fromJSONSchema({ $ref: `#/$defs/${name}`, $defs }) as z.ZodType<Type>;
  return (body) => schema.parse(body);
}

export const parseSyncStatus = makeParser<SyncStatus>("SyncStatus");
export const parseErrorBody = makeParser<ErrorBody>("ErrorBody");
