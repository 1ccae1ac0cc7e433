import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { deno, pathOf } from "../local/commands.ts";
import { test } from "./support/helpers.ts";

const CONFIG = pathOf("../deno.json", import.meta.url);

/** The strict options of templates. Those of Next, create-next-app@16.4.3, are in Vite's. */
const TEMPLATES = [
  // create-vite@9.3.0, template-react-ts/tsconfig.app.json
  {
    module: "esnext",
    moduleResolution: "bundler",
    verbatimModuleSyntax: true,
    noUnusedLocals: true,
    noUnusedParameters: true,
    erasableSyntaxOnly: true,
    noFallthroughCasesInSwitch: true,
  },
  // @schematics/angular@21.2.28, workspace/files/tsconfig.json.template
  {
    module: "preserve",
    isolatedModules: true,
    noImplicitOverride: true,
    noPropertyAccessFromIndexSignature: true,
    noImplicitReturns: true,
    noFallthroughCasesInSwitch: true,
  },
];
const FOLDERS = ["client", "react", "call"];
const ALL = { strict: true, jsx: "react-jsx", noEmit: true, skipLibCheck: true, types: [] };

test("what people copy from examples compiles with the options of Vite, Next and Angular", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const name of FOLDERS) {
      const copy = join(folder, name);
      cpSync(pathOf(`../examples/${name}/`, import.meta.url), copy, { recursive: true });
      // A checkout may be read-only.
      Deno.chmodSync(copy, 0o755);
    }
    const needed = ["@supabase/supabase-js", "@tanstack/react-query", "@types/react", "react"] as const;
    const dependencies = Object.fromEntries(needed.map((name) => [name, config.imports[name]]));
    await Deno.writeTextFile(join(folder, "package.json"), JSON.stringify({ dependencies }));
    const lock = await Deno.readTextFile(pathOf("../deno.lock", import.meta.url));
    await Deno.writeTextFile(join(folder, "deno.lock"), lock);
    await deno(["install", "--quiet", "--node-modules-dir=auto"], "", folder);
    for (const template of TEMPLATES) {
      const settings = { compilerOptions: { ...template, ...ALL }, include: FOLDERS };
      await Deno.writeTextFile(join(folder, "tsconfig.json"), JSON.stringify(settings));
      const tsc = [`${config.imports.typescript}/tsc`, "--listFiles"];
      const files = await deno(["run", "--quiet", "--allow-all", "--config", CONFIG, ...tsc], "", folder);
      for (const each of ["client/watch_sync_status.ts", "call/watch.ts"]) assert(files.includes(each));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
