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
const texts = new Map(
  readdirSync(ROOT, { recursive: true, encoding: "utf8" })
    .filter((path) => !/^(\.git|\.cache|node_modules|deno\.lock)\b/.test(path))
    .map((path) => [
      path.replaceAll("\\", "/"),
      statSync(ROOT + path).isFile() && !path.endsWith(".png") ? Deno.readTextFileSync(ROOT + path) : "",
    ]),
);

/** The text of a file that a document names. */
function follow(document: string, path: string): string {
  const text = texts.get(path.replace(/\/$/, ""));
  if (text === undefined) problems.push(`${document} names ${path}, which is not there.`);
  return text ?? "";
}

/** The fragment that GitHub gives a heading. */
const fragment = ([, heading = ""]: RegExpMatchArray) =>
  heading.toLowerCase().replace(/[^\p{L}\p{N}\s-]/gu, "").trim().replaceAll(" ", "-");

for (const [document, text] of [...texts].filter(([path]) => path.endsWith(".md"))) {
  const due = text.replace(
    /^```(\w+) file=(\S+)\n[^]*?^```$/gm,
    (_, language, path) => `\`\`\`${language} file=${path}\n${follow(document, path)}\`\`\``,
  );
  if (Deno.args.includes("--write")) Deno.writeTextFileSync(ROOT + document, due);
  else if (due !== text) problems.push(`${document} shows a file as it no longer is.`);

  for (const [, path, anchor] of text.matchAll(/\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)/g)) {
    const target = follow(document, path ? join(dirname(document), path) : document);
    if (anchor && ![...target.matchAll(/^#+ (.*)$/gm)].map(fragment).includes(anchor)) {
      problems.push(`${document}: ${path} has no heading ${anchor}.`);
    }
  }
  for (const [, task = ""] of text.matchAll(/(?:deno(?:@\S+)?|`) ?task ([\w:-]+)/g)) {
    if (!(task in config.tasks)) problems.push(`${document} names the task ${task}, which is not there.`);
  }
}

const versions = new Map<string, string>();
const SOURCES = `${SUPABASE_CLI} deno@${Deno.version.deno} Node.js@${OLDEST_NODE}.0.0`;
for (const [path, text] of [["", SOURCES], ...texts] as const) {
  const copies = text.replace(/(?:node-version: |node:|Node\.js\]\(\S+\) )(\d+)/g, "Node.js@$1.0.0")
    .matchAll(/(?<![\w@.-])((?:@[\w-]+\/)?[a-zA-Z][\w.-]*)@(\d+\.\d+\.\d+)(?!\.?\d)/g);
  for (const [, name = "", version = ""] of copies) {
    const due = versions.get(name) ?? version;
    versions.set(name, due);
    if (version !== due) problems.push(`${path} names ${name}@${version}; elsewhere it is ${due}.`);
  }
}
for (const problem of problems) console.error(problem);
Deno.exit(problems.length ? 1 : 0);
