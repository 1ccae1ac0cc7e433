/**
 * Runs before a task, with nothing but Deno itself: says what the machine
 * lacks, and downloads the npm packages, which a first run needs and a later
 * one has.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

const OLDEST_NODE = 20;

/** What takes no longer needs no word. */
const PATIENCE_MS = 1_500;

function stopWith(sentence: string): never {
  console.error(sentence);
  Deno.exit(1);
}

// npx says there which Node.js it runs on; the Supabase CLI, which some tests run, needs one of these.
const node = /\bnode\/v((\d+)\S*)/.exec(Deno.env.get("npm_config_user_agent") ?? "");
if (node && Number(node[2]) < OLDEST_NODE) {
  stopWith(`Node.js ${OLDEST_NODE} or newer is needed; this is ${node[1]}. See https://nodejs.org`);
}

const install = new Deno.Command(Deno.execPath(), {
  args: ["install", "--quiet"],
  cwd: fileURLToPath(new URL("..", import.meta.url)),
  env: { NO_COLOR: "1" },
  stderr: "piped",
});
const word = setTimeout(() => {
  console.log("Downloading the npm packages (once, about 220 MB on disk) …");
}, PATIENCE_MS);
const { success, stderr } = await install.output();
clearTimeout(word);
if (!success) {
  const said = new TextDecoder().decode(stderr).split("\n\nStack backtrace")[0]?.trim();
  stopWith(`${said}

The npm packages could not be downloaded. Is the npm registry in reach? HTTPS_PROXY names a proxy, NPM_CONFIG_REGISTRY another registry.`);
}
