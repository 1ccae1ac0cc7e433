/**
 * `deno task test:platform`: proves the function in the shape in which
 * Supabase's platform runs it. Copies its folder alone into an empty one, and
 * runs the tests that speak to the fake upstream against it, on the Deno that
 * the edge runtime is compatible with, without what that runtime removes.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { cleanEnvironment, npx, pathOf } from "../local/commands.ts";
import { PLATFORM_VARIABLE, type PlatformFunction } from "../local/function_process.ts";

/** The Deno that Supabase's edge runtime is compatible with. */
const EDGE_RUNTIME_DENO = "2.1.4";

const FUNCTION = pathOf("../supabase/functions/get-sync-status/", import.meta.url);
const PLATFORM = pathOf("../tests/support/platform.ts", import.meta.url);
const TESTS = ["index", "handler", "upstream", "faults", "hostile"];

const folder = await Deno.makeTempDir();
try {
  for await (const { name } of Deno.readDir(FUNCTION)) {
    await Deno.copyFile(join(FUNCTION, name), join(folder, name));
  }
  await Deno.copyFile(PLATFORM, join(folder, "platform.ts"));
  const entrypoint = join(folder, "main.ts");
  await Deno.writeTextFile(entrypoint, 'import "./platform.ts";\nimport "./index.ts";\n');
  const executable = await npx(`deno@${EDGE_RUNTIME_DENO}`, ["eval", "console.log(Deno.execPath())"], {
    cwd: folder,
  });
  const platform: PlatformFunction = {
    deno: executable.trim(),
    config: join(folder, "deno.json"),
    entrypoint,
  };
  const files = TESTS.map((name) => pathOf(`../tests/${name}_test.ts`, import.meta.url));
  const tests = spawn(Deno.execPath(), ["test", "--quiet", "--allow-all", "--parallel", ...files], {
    env: { ...cleanEnvironment(), [PLATFORM_VARIABLE]: JSON.stringify(platform) },
    stdio: "inherit",
  });
  Deno.exitCode = await new Promise((resolve) => tests.once("close", (code) => resolve(code ?? 1)));
} finally {
  await Deno.remove(folder, { recursive: true });
}
