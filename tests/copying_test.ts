/** What people copy compiles where they have it. */

import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { deno, pathOf } from "../local/commands.ts";
import { test } from "./support/helpers.ts";

const CONFIG = pathOf("../deno.json", import.meta.url);
const { "create-vite": createVite, typescript, "@types/react": typesOfReact } = config.imports;
/** The folders that people copy side by side. */
const COPIED = ["client", "react"];

test("the folders examples/client and examples/react compile in a fresh Vite project, under strict", async () => {
  const folder = await Deno.makeTempDir();
  const run = (...args: string[]) =>
    deno(["run", "--quiet", "--allow-all", "--config", CONFIG, ...args], "", folder);
  try {
    await run(createVite, "app", "--template", "react-ts", "--no-interactive");
    const copy = join(folder, "app", "src", "sync_status");
    for (const each of COPIED) {
      await Deno.mkdir(join(copy, each), { recursive: true });
      for await (const { name } of Deno.readDir(pathOf(`../examples/${each}/`, import.meta.url))) {
        await Deno.copyFile(pathOf(`../examples/${each}/${name}`, import.meta.url), join(copy, each, name));
      }
    }
    // Of the template's packages only what the copied files need, as deno.lock has it.
    await Deno.copyFile(pathOf("../deno.lock", import.meta.url), join(folder, "deno.lock"));
    await Deno.writeTextFile(
      join(folder, "package.json"),
      JSON.stringify({ devDependencies: { "@types/react": typesOfReact } }),
    );
    await deno(["install", "--quiet", "--node-modules-dir=auto"], "", folder);
    // The template's own compiler options, for what was copied.
    await Deno.writeTextFile(
      join(folder, "app", "tsconfig.copied.json"),
      JSON.stringify({
        extends: "./tsconfig.app.json",
        compilerOptions: { strict: true, types: [] },
        include: ["src/sync_status"],
      }),
    );
    const tsc = (...files: string[]) =>
      run(
        `${typescript}/tsc`,
        "--project",
        join(folder, "app", "tsconfig.copied.json"),
        "--listFiles",
        ...files,
      );
    const compiled = await tsc();
    for (const name of ["access_token.ts", "types.ts", "watch_sync_status.ts", "use_sync_status.ts"]) {
      assert(compiled.includes(name));
    }

    await Deno.writeTextFile(join(copy, "wrong.ts"), "export const wrong: string = 1;\n");
    await assert.rejects(tsc(), /TS2322/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
