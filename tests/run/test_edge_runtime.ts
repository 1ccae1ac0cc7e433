import { cpSync } from "node:fs";
import { join } from "node:path";
import { cleanEnvironment, npx, pathOf } from "../../local/commands.ts";
import { EDGE_RUNTIME_VARIABLE, type EdgeRuntimeFunction } from "../../local/function_process.ts";

const EDGE_RUNTIME_DENO = "2.1.4";
const FUNCTION = pathOf("../../supabase/functions/get-sync-status/", import.meta.url);
const TESTS = ["index", "handler", "upstream", "faults", "silent_connection"];

const folder = await Deno.makeTempDir();
try {
  cpSync(FUNCTION, folder, { recursive: true });
  await Deno.copyFile(pathOf("./edge_runtime.ts", import.meta.url), join(folder, "edge_runtime.ts"));
  await Deno.writeTextFile(join(folder, "main.ts"), 'import "./edge_runtime.ts";\nimport "./index.ts";\n');
  const printPath = ["eval", "console.log(Deno.execPath())"];
  const edgeRuntime: EdgeRuntimeFunction = {
    deno: (await npx(`deno@${EDGE_RUNTIME_DENO}`, printPath, { cwd: folder })).trim(),
    config: join(folder, "deno.json"),
    entrypoint: join(folder, "main.ts"),
  };
  const files = TESTS.map((name) => pathOf(`../${name}_test.ts`, import.meta.url));
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--quiet", "--allow-all", "--parallel", ...files],
    env: { ...cleanEnvironment(), [EDGE_RUNTIME_VARIABLE]: JSON.stringify(edgeRuntime) },
    clearEnv: true,
  }).spawn().status;
  Deno.exitCode = code;
} finally {
  await Deno.remove(folder, { recursive: true });
}
