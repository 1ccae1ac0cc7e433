/**
 * Part of `deno task check`: holds the documents against the code. With
 * `--write` it puts the files that a document shows into it instead.
 *
 * - A fence "```ts file=PATH" shows that file, to the byte.
 * - A link leads to a file, and its fragment to a heading there.
 * - A path in backticks that begins with a folder of this project exists.
 * - A task that is named exists.
 * - Every `deno@…` and `supabase@…` in any file is the version that is used here.
 *
 * @module
 */

import { dirname, join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { pathOf, SUPABASE_CLI } from "../local/commands.ts";

const ROOT = pathOf("..", import.meta.url);
const SKIPPED = [".git", ".cache", "node_modules", "deno.lock"];

const VERSIONS: Record<string, string> = {
  deno: Deno.version.deno,
  supabase: SUPABASE_CLI.replace("supabase@", ""),
};

/** Every text file of the project, by its path. */
async function files(below = ""): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, below))) {
    const path = join(below, name).replaceAll("\\", "/");
    if (SKIPPED.includes(name) || name.endsWith(".png")) continue;
    if (!isDirectory) found.set(path, await Deno.readTextFile(join(ROOT, path)));
    else for (const [inside, text] of await files(path)) found.set(inside, text);
  }
  return found;
}

const FENCE = /^```(\w+) file=(\S+)\n([^]*?)^```$/gm;

/** A document with the files that it shows as they are now. */
function withFiles(text: string, project: Map<string, string>): string {
  return text.replace(FENCE, (_, language, path) => {
    return `\`\`\`${language} file=${path}\n${project.get(path) ?? `there is no ${path}\n`}\`\`\``;
  });
}

/** The fragment that GitHub gives a heading. */
const fragment = (heading: string) =>
  heading.toLowerCase().replace(/[^\p{L}\p{N}\s-]/gu, "").trim().replaceAll(" ", "-");

/** What is wrong with a document, one sentence each. */
function problemsOf(path: string, text: string, project: Map<string, string>): string[] {
  const problems: string[] = [];
  const folders = new Set([...project.keys()].flatMap((path) => {
    const parts = path.split("/").slice(0, -1);
    return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
  }));
  const exists = (target: string) => project.has(target) || folders.has(target.replace(/\/$/, ""));

  for (const [, , shown] of text.matchAll(FENCE)) {
    if (!project.has(shown ?? "")) problems.push(`shows ${shown}, which is not there`);
  }
  if (withFiles(text, project) !== text) problems.push("shows a file as it no longer is");

  for (const [, target = ""] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
    const [to = "", anchor] = target.split("#");
    const linked = to ? join(dirname(path), to).replaceAll("\\", "/") : path;
    if (!exists(linked) && !linked.endsWith(".png")) problems.push(`links to ${linked}, which is not there`);
    const headings = [...(project.get(linked) ?? "").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
    );
    if (anchor && !headings.map(fragment).includes(anchor)) {
      problems.push(`links to ${target}, which has no such heading`);
    }
  }
  for (const [, named = ""] of text.matchAll(/`((?:[\w.-]+\/)+[\w.-]*)`/g)) {
    if (folders.has(named.split("/")[0] ?? "") && !exists(named)) {
      problems.push(`names ${named}, which is not there`);
    }
  }
  for (const [, task = ""] of text.matchAll(/(?:deno(?:@\S+)?|`) ?task ([\w:-]+)/g)) {
    if (!(task in config.tasks)) problems.push(`names the task ${task}, which is not there`);
  }
  return problems;
}

const project = await files();
const documents = [...project].filter(([path]) => path.endsWith(".md"));
const problems: string[] = [];
for (const [path, text] of documents) {
  if (Deno.args.includes("--write")) await Deno.writeTextFile(join(ROOT, path), withFiles(text, project));
  else problems.push(...problemsOf(path, text, project).map((problem) => `${path} ${problem}.`));
}
for (const [path, text] of project) {
  for (const [named, tool = "", version = ""] of text.matchAll(/\b(?<![:/])(deno|supabase)@(\d[\w.]*\d)/g)) {
    if (VERSIONS[tool] !== version) problems.push(`${path} names ${named}; it is ${VERSIONS[tool]}.`);
  }
}
for (const problem of problems) console.error(problem);
if (problems.length) Deno.exit(1);
