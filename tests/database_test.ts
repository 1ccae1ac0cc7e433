import { pathOf } from "../local/commands.ts";
import { project } from "../local/platform.ts";
import { test } from "./support/helpers.ts";
import { runPgTap } from "./support/pgtap.ts";

const folder = pathOf("../supabase/tests/", import.meta.url);
for (const { file, name, problem } of await runPgTap(await project(), folder)) {
  test(`${file}: ${name}`, () => {
    if (problem !== undefined) throw new Error(problem);
  });
}
