/** Reports each assertion of the pgTAP files in supabase/tests as one test. */

import { pathOf } from "../local/commands.ts";
import { project } from "../local/platform.ts";
import { test } from "./support/helpers.ts";
import { runPgTap } from "./support/pgtap.ts";

for (
  const { file, name, problem } of await runPgTap(
    await project(),
    pathOf("../supabase/tests/", import.meta.url),
  )
) {
  test(`${file}: ${name}`, () => {
    if (problem !== undefined) throw new Error(problem);
  });
}
