/** What people copy compiles where it is copied to. */

import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { deno, pathOf } from "../local/commands.ts";
import { test } from "../testing/helpers.ts";

const CONFIG = pathOf("../deno.json", import.meta.url);
const { "create-vite": createVite, typescript } = config.imports;

test("the folder examples/client compiles in a fresh Vite project, under strict", async () => {
  const folder = await Deno.makeTempDir();
  const run = (...args: string[]) =>
    deno(["run", "--quiet", "--allow-all", "--config", CONFIG, ...args], "", folder);
  try {
    await run(createVite, "app", "--template", "react-ts", "--no-interactive");
    const copy = join(folder, "app", "src", "sync_status");
    await Deno.mkdir(copy);
    for await (const { name } of Deno.readDir(pathOf("../examples/client/", import.meta.url))) {
      await Deno.copyFile(pathOf(`../examples/client/${name}`, import.meta.url), join(copy, name));
    }
    // The template's own compiler options, for what was copied: the rest of it needs packages.
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
    for (const name of ["access_token.ts", "types.ts", "watch_sync_status.ts"]) {
      assert(compiled.includes(name));
    }

    await Deno.writeTextFile(join(copy, "wrong.ts"), "export const wrong: string = 1;\n");
    await assert.rejects(tsc(), /TS2322/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
