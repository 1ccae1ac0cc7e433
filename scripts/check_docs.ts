/**
 * Part of `deno task check`: holds the documents against the code. With
 * `--write` it puts the files that a document shows into it.
 *
 * - A fence "```ts file=PATH" shows that file, to the byte.
 * - A link leads to a file, and its fragment to a heading there.
 * - A task that is named exists.
 * - Every copy of a version that is written name@version is alike, and of Node.js every major version.
 */

import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path/posix";
import config from "../deno.json" with { type: "json" };
import { OLDEST_NODE, pathOf, SUPABASE_CLI } from "../local/commands.ts";

const ROOT = pathOf("../", import.meta.url);
const problems: string[] = [];

/** The text of every file by its path; a folder or a picture has none. */
const texts = new Map<string, string>();
for (const path of readdirSync(ROOT, { recursive: true, encoding: "utf8" })) {
  if (/^(\.git|\.cache|node_modules|deno\.lock)\b/.test(path)) continue;
  const hasText = statSync(ROOT + path).isFile() && !path.endsWith(".png");
  texts.set(path.replaceAll("\\", "/"), hasText ? Deno.readTextFileSync(ROOT + path) : "");
}

/** The text of a file that a document names. */
function follow(document: string, path: string): string {
  const text = texts.get(path.replace(/\/$/, ""));
  if (text === undefined) problems.push(`${document} names ${path}, which is not there.`);
  return text ?? "";
}

/** The fragments that GitHub gives the headings of a text. */
function fragments(text: string): string[] {
  const headings = Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading = ""]) => heading);
  return headings.map((heading) =>
    heading.toLowerCase().replace(/[^\p{L}\p{N}\s-]/gu, "").trim().replaceAll(" ", "-")
  );
}

function checkFiles(document: string, text: string): void {
  const fence = /^```(\w+) file=(\S+)\n[^]*?^```$/gm;
  const due = text.replace(fence, (_, language, path) => {
    return "```" + `${language} file=${path}\n${follow(document, path)}` + "```";
  });
  if (Deno.args.includes("--write")) Deno.writeTextFileSync(ROOT + document, due);
  else if (due !== text) problems.push(`${document} shows a file as it no longer is.`);
}

function checkLinks(document: string, text: string): void {
  for (const [, path, fragment] of text.matchAll(/\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)/g)) {
    const target = path ? join(dirname(document), path) : document;
    const targetText = follow(document, target);
    if (fragment && !fragments(targetText).includes(fragment)) {
      problems.push(`${document}: ${target} has no heading ${fragment}.`);
    }
  }
}

function checkTasks(document: string, text: string): void {
  for (const [, task = ""] of text.matchAll(/(?:deno(?:@\S+)?|`) ?task ([\w:-]+)/g)) {
    if (!(task in config.tasks)) problems.push(`${document} names the task ${task}, which is not there.`);
  }
}

const versions = new Map<string, string>();
function checkVersions(path: string, text: string): void {
  const written = text.replace(/(?:node-version: |node:|Node\.js\]\(\S+\) )(\d+)/g, "Node.js@$1.0.0");
  const copies = written.matchAll(/(?<![\w@.-])((?:@[\w-]+\/)?[a-zA-Z][\w.-]*)@(\d+\.\d+\.\d+)(?!\.?\d)/g);
  for (const [, name = "", version = ""] of copies) {
    const due = versions.get(name) ?? version;
    versions.set(name, due);
    if (version !== due) problems.push(`${path} names ${name}@${version}; elsewhere it is ${due}.`);
  }
}

checkVersions("", `${SUPABASE_CLI} deno@${Deno.version.deno} Node.js@${OLDEST_NODE}.0.0`);
for (const [path, text] of texts) {
  checkVersions(path, text);
  if (!path.endsWith(".md")) continue;
  checkFiles(path, text);
  checkLinks(path, text);
  checkTasks(path, text);
}
for (const problem of problems) console.error(problem);
Deno.exit(problems.length ? 1 : 0);
