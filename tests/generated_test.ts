/** Generated and copied files equal their sources. */

import assert from "node:assert/strict";
import { generateTypes, TYPES_FILE } from "../scripts/generate_types.ts";
import { test } from "./support/helpers.ts";

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
