/**
 * `deno task test:platform`: proves the function in the shape in which
 * Supabase's platform runs it. Deploys with the real Supabase CLI to a server
 * in the place of the Management API, puts what was uploaded alone into an
 * empty folder, and runs the tests that speak to the fake upstream against it,
 * on the Deno that the edge runtime is compatible with.
 *
 * @module
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { cleanEnvironment, npx, pathOf } from "../local/commands.ts";
import { PLATFORM_VARIABLE, type PlatformFunction } from "../local/function_process.ts";
import { deploy } from "../tests/support/management_api.ts";

/** The Deno that Supabase's edge runtime is compatible with. */
const EDGE_RUNTIME_DENO = "2.1.4";

const FUNCTION = "supabase/functions/get-sync-status";
const TESTS = ["upstream_test.ts", "faults_test.ts", "hostile_test.ts", "start_test.ts"];
const ROOT = pathOf("..", import.meta.url);

const folder = await Deno.makeTempDir();
let code: number;
try {
  console.log("Deploying with the Supabase CLI …");
  const { files, metadata } = await deploy(["functions", "deploy", "get-sync-status", "--use-api"], ROOT);

  const own = (await Array.fromAsync(Deno.readDir(join(ROOT, FUNCTION)))).map(({ name }) =>
    `${FUNCTION}/${name}`
  );
  assert.deepEqual([...files.keys()].sort(), own.sort(), "nothing but the function's own files is uploaded");
  for (const [path, text] of files) {
    assert.equal(text, await Deno.readTextFile(join(ROOT, path)), path);
    await Deno.mkdir(join(folder, dirname(path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
  assert.equal(metadata.verify_jwt, false, "the function validates each token itself");

  await Deno.copyFile(pathOf("../tests/support/platform.ts", import.meta.url), join(folder, "platform.ts"));
  const entrypoint = join(folder, "main.ts");
  await Deno.writeTextFile(entrypoint, `import "./platform.ts";\nimport "./${metadata.entrypoint_path}";\n`);
  const platformFunction: PlatformFunction = {
    deno: (await npx(`deno@${EDGE_RUNTIME_DENO}`, ["eval", "console.log(Deno.execPath())"], { cwd: folder }))
      .trim(),
    config: join(folder, metadata.import_map_path),
    entrypoint,
  };

  console.log(`Testing what was uploaded on Deno ${EDGE_RUNTIME_DENO} …`);
  const tests = spawn(Deno.execPath(), [
    "test",
    "--quiet",
    "--allow-all",
    "--parallel",
    ...TESTS.map((name) => join(ROOT, "tests", name)),
  ], {
    env: { ...cleanEnvironment(), [PLATFORM_VARIABLE]: JSON.stringify(platformFunction) },
    stdio: "inherit",
  });
  code = await new Promise((resolve) => tests.once("close", (code) => resolve(code ?? 1)));
} finally {
  await Deno.remove(folder, { recursive: true });
}
Deno.exit(code);
