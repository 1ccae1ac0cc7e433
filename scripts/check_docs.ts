/**
 * Part of `deno task check`. A document shows a file as it is, after "```ts file=PATH" (`--write` puts it there).
 * Its links lead to a file and a heading, and its tasks exist. Every copy of a version is alike.
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

function follow(document: string, path: string): string {
  const text = texts.get(path.replace(/\/$/, ""));
  if (text === undefined) problems.push(`${document} names ${path}, which is not there.`);
  return text ?? "";
}

/** Whether a text has a heading to which GitHub gives this fragment. */
function hasHeading(text: string, fragment: string): boolean {
  const headings = text.match(/(?<=^#+ ).*$/gm) ?? [];
  return headings.some((heading) => {
    const words = heading.toLowerCase().replace(/[^\p{L}\p{N}\s-]/gu, "");
    return words.trim().replaceAll(" ", "-") === fragment;
  });
}

function checkDocument(document: string, text: string): void {
  const due = text.replace(/(^```\w+ file=(\S+)\n)[^]*?(^```$)/gm, (_, start, path, end) => {
    return start + follow(document, path) + end;
  });
  if (Deno.args.includes("--write")) Deno.writeTextFileSync(ROOT + document, due);
  else if (due !== text) problems.push(`${document} shows a file as it no longer is.`);

  for (const [, path, fragment] of text.matchAll(/\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)/g)) {
    const target = path ? join(dirname(document), path) : document;
    const targetText = follow(document, target);
    if (fragment && !hasHeading(targetText, fragment)) {
      problems.push(`${document}: ${target} has no heading ${fragment}.`);
    }
  }
  for (const [, task = ""] of text.matchAll(/(?:deno(?:@\S+)?|`) ?task ([\w:-]+)/g)) {
    if (!(task in config.tasks)) problems.push(`${document} names the task ${task}, which is not there.`);
  }
}

const versions = new Map<string, string>();
/** Compares what is written name@version, and the major version of Node.js. */
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
  if (path.endsWith(".md")) checkDocument(path, text);
}
for (const problem of problems) console.error(problem);
Deno.exit(problems.length ? 1 : 0);
