/** What is generated is what its source gives. */

import assert from "node:assert/strict";
import { generateTypes, TYPES_FILE } from "../local/generate_types.ts";

Deno.test({
  name: "database.types.ts is what the migrations give; `deno task gen:types` makes it so",
  // The CLI's process and PGlite's sockets are gone by then; the timers of node's streams need not be.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    assert.equal(await Deno.readTextFile(TYPES_FILE), await generateTypes());
  },
});
