/** What is generated is what its source gives. */

import assert from "node:assert/strict";
import { generateTypes, TYPES_FILE } from "../scripts/generate_types.ts";
import { test } from "../testing/helpers.ts";

test("database.types.ts is what the migrations give; `deno task gen:types` makes it so", async () => {
  assert.equal(await Deno.readTextFile(TYPES_FILE), await generateTypes());
});
