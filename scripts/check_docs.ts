/**
 * Part of `deno task check`: holds the documents against the code. With
 * `--write` it puts the files that a document shows into it instead.
 *
 * - A fence "```ts file=PATH" shows that file, to the byte.
 * - A link leads to a file, and its fragment to a heading there.
 * - A file that is named in code exists: by its path, or by its name alone.
 * - A task that is named exists.
 * - A test that is named as `tests/FILE` "NAME" exists.
 * - Imports run one way: nothing imports from tests/ or bench/, and supabase/ from nowhere else.
 * - Every copy of a version, in any file, is alike; actions are pinned by their commit.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { OLDEST_NODE, pathOf, SUPABASE_CLI } from "../local/commands.ts";

const ROOT = pathOf("..", import.meta.url);
const SKIPPED = [".git", ".cache", "node_modules", "deno.lock"];

/** Every file of the project by its path, with its text; a picture has none. */
async function files(below = ""): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, below))) {
    const path = join(below, name).replaceAll("\\", "/");
    if (SKIPPED.includes(name)) continue;
    if (!isDirectory) found.set(path, name.endsWith(".png") ? "" : await Deno.readTextFile(join(ROOT, path)));
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

/** What a name in code ends with when it is that of a file. */
const FILE_NAME = /.\.(ts|tsx|json|md|sql|psql|toml|yml|html|http|sh)$/;

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
    if (!exists(linked)) problems.push(`links to ${linked}, which is not there`);
    const headings = [...(project.get(linked) ?? "").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
    );
    if (anchor && !headings.map(fragment).includes(anchor)) {
      problems.push(`links to ${target}, which has no such heading`);
    }
  }
  const names = new Set([...project.keys()].map((path) => basename(path)));
  for (const [code] of text.replace(FENCE, "").matchAll(/```[^]*?```|`[^`]*`/g)) {
    for (const [named] of code.matchAll(/(?<![\w.*/@:<-])[\w.-]+(?:\/[\w.-]+)*\/?(?![\w*@:<])/g)) {
      const isThere = named.includes("/")
        ? !folders.has(named.split("/")[0] ?? "") || exists(named)
        : !FILE_NAME.test(named) || names.has(named);
      if (!isThere) problems.push(`names ${named}, which is not there`);
    }
  }
  for (const [, file = "", name = ""] of text.matchAll(/`((?:supabase\/)?tests\/[\w./]+)`\s+"([^"]+)"/g)) {
    if (!project.get(file)?.includes(name.replace(/\s+/g, " "))) {
      problems.push(`names the test "${name}", which is not in ${file}`);
    }
  }
  for (const [, task = ""] of text.matchAll(/(?:deno(?:@\S+)?|`) ?task ([\w:-]+)/g)) {
    if (!(task in config.tasks)) problems.push(`names the task ${task}, which is not there`);
  }
  return problems;
}

/** What is wrong with the imports of a module, one sentence each. */
function importProblemsOf(path: string, text: string): string[] {
  const room = (path: string) => path.split("/")[0] ?? "";
  const imported = [...text.matchAll(/(?:from|import) "(\.[^"]+)"/g)].map(([, to = ""]) =>
    join(dirname(path), to).replaceAll("\\", "/")
  );
  return imported.filter((to) => room(to) !== room(path))
    .filter((to) =>
      room(to) === "bench" || (room(to) === "tests" && !to.startsWith("tests/support/")) ||
      room(path) === "supabase"
    )
    .map((to) => `imports ${to}`);
}

const project = await files();
const documents = [...project].filter(([path]) => path.endsWith(".md"));
const problems: string[] = [];
for (const [path, text] of documents) {
  if (Deno.args.includes("--write")) await Deno.writeTextFile(join(ROOT, path), withFiles(text, project));
  else problems.push(...problemsOf(path, text, project).map((problem) => `${path} ${problem}.`));
}

const versions = new Map([
  ["deno", Deno.version.deno],
  ["supabase", SUPABASE_CLI.replace("supabase@", "")],
  ["Node.js", String(OLDEST_NODE)],
]);
for (const [path, text] of project) {
  if (/\.tsx?$/.test(path)) {
    problems.push(...importProblemsOf(path, text).map((problem) => `${path} ${problem}.`));
  }
  const copies = [
    ...text.matchAll(/(?<![\w@.-])((?:@[\w-]+\/)?[a-z][\w-]*)@(\d+\.\d+\.\d+)(?!\.?\d)/g),
    ...text.matchAll(/(Node\.js)\]\(\S+\) (\d+)/g),
    ...[...text.matchAll(/(?:node-version: |container: node:)(\d+)/g)].map((
      [found, major],
    ) => [found, "Node.js", major]),
    ...text.matchAll(/uses: (\S+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$/gm),
  ];
  for (const [found, name = "", version = ""] of copies) {
    const due = versions.get(name) ?? version;
    versions.set(name, due);
    if (version !== due) problems.push(`${path} names ${found}; elsewhere it is ${due}.`);
  }
  for (const [, action] of text.matchAll(/^ *- uses: (?!\S+@[0-9a-f]{40} # v)(.*)$/gm)) {
    problems.push(`${path} does not pin ${action} by its commit.`);
  }
}
for (const problem of problems) console.error(problem);
if (problems.length) Deno.exit(1);
