/** What is generated or copied is what its source gives. */

import assert from "node:assert/strict";
import { generateTypes, TYPES_FILE } from "../scripts/generate_types.ts";
import { test } from "../testing/helpers.ts";

test("database.types.ts is what the migrations give; `deno task gen:types` makes it so", async () => {
  assert.equal(await Deno.readTextFile(TYPES_FILE), await generateTypes());
});

test("examples/client/types.ts is a copy of the function's types.ts", async () => {
  const read = (path: string) => Deno.readTextFile(new URL(path, import.meta.url));
  assert.equal(
    await read("../examples/client/types.ts"),
    await read("../supabase/functions/get-sync-status/types.ts"),
  );
});
