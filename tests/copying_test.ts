/** What people copy, or generate from openapi.json, compiles where they have it. */

import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { deno, npx, pathOf } from "../local/commands.ts";
import { test } from "./support/helpers.ts";

const CONFIG = pathOf("../deno.json", import.meta.url);
// Through npx, which gives it the TypeScript 5 that it needs.
const OPENAPI_TYPESCRIPT = "openapi-typescript@7.13.0";

/** What decides in the templates whether a file compiles. */
const TEMPLATES = {
  // create-vite@9.3.0, template-react-ts/tsconfig.app.json
  Vite: {
    module: "esnext",
    moduleResolution: "bundler",
    allowImportingTsExtensions: true,
    verbatimModuleSyntax: true,
    jsx: "react-jsx",
    noUnusedLocals: true,
    noUnusedParameters: true,
    erasableSyntaxOnly: true,
    noFallthroughCasesInSwitch: true,
  },
  // create-next-app@16.4.3, templates/app/ts/tsconfig.json
  Next: { module: "esnext", moduleResolution: "bundler", isolatedModules: true, jsx: "react-jsx" },
  // @schematics/angular@21.2.28, workspace/files/tsconfig.json.template
  Angular: {
    module: "preserve",
    isolatedModules: true,
    noImplicitOverride: true,
    noPropertyAccessFromIndexSignature: true,
    noImplicitReturns: true,
    noFallthroughCasesInSwitch: true,
  },
};

test("what people copy compiles with the options of Vite, Next and Angular", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const each of ["client", "react", "call"]) {
      await Deno.mkdir(join(folder, each));
      for await (const { name } of Deno.readDir(pathOf(`../examples/${each}/`, import.meta.url))) {
        await Deno.copyFile(pathOf(`../examples/${each}/${name}`, import.meta.url), join(folder, each, name));
      }
    }
    const needed = ["@supabase/supabase-js", "@tanstack/react-query", "@types/react", "react"] as const;
    const dependencies = Object.fromEntries(needed.map((name) => [name, config.imports[name]]));
    await Deno.writeTextFile(join(folder, "package.json"), JSON.stringify({ dependencies }));
    await Deno.copyFile(pathOf("../deno.lock", import.meta.url), join(folder, "deno.lock"));
    await deno(["install", "--quiet", "--node-modules-dir=auto"], "", folder);
    for (const template of Object.values(TEMPLATES)) {
      const compile = async () => {
        const compilerOptions = { ...template, strict: true, noEmit: true, skipLibCheck: true, types: [] };
        const exclude = "jsx" in template ? [] : ["react", "call/react.tsx", "call/tanstack_query.ts"];
        const tsconfig = join(folder, "tsconfig.json");
        await Deno.writeTextFile(tsconfig, JSON.stringify({ compilerOptions, exclude }));
        const tsc = [`${config.imports.typescript}/tsc`, "--project", tsconfig, "--listFiles"];
        return await deno(["run", "--quiet", "--allow-all", "--config", CONFIG, ...tsc], "", folder);
      };
      assert((await compile()).includes("client/watch_sync_status.ts"));
      await Deno.writeTextFile(join(folder, "wrong.ts"), "export const wrong: string = 1;\n");
      await assert.rejects(compile(), /TS2322/);
      await Deno.remove(join(folder, "wrong.ts"));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("a client generated from openapi.json gives a typed SyncStatus, and has GET alone", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const generated = await npx(OPENAPI_TYPESCRIPT, [pathOf("../docs/openapi.json", import.meta.url)]);
    for (
      const told of ["ActiveJob: {", "RecentJob: {", "Timestamp: string", "until they have been counted"]
    ) {
      assert(generated.includes(told), told);
    }
    await Deno.writeTextFile(join(folder, "generated.ts"), generated);
    await Deno.copyFile(pathOf("../examples/client/types.ts", import.meta.url), join(folder, "types.ts"));
    const use = join(folder, "use.ts");
    await Deno.writeTextFile(
      use,
      `import createClient from "openapi-fetch";
       import type { components, paths } from "./generated.ts";
       import type { SyncStatus } from "./types.ts";

       const client = createClient<paths>();
       const { data } = await client.GET("/get-sync-status");
       export const status: SyncStatus | undefined = data;
       export const same = (status: SyncStatus): components["schemas"]["SyncStatus"] => status;
       // @ts-expect-error: it is typed
       export const wrong: number | undefined = data?.active;
       // @ts-expect-error: there is GET alone
       await client.POST("/get-sync-status");`,
    );
    await deno(["check", "--quiet", "--config", CONFIG, use]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
