import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/**
 * Runs a command to its end.
 *
 * @param input what it reads from stdin
 * @returns what it wrote to stdout
 * @throws {Error} with what it wrote to stderr when it fails
 */
export async function run(command: string, args: string[], input = ""): Promise<string> {
  const child = spawn(command, args);
  child.stdin.end(input);
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once("close", resolve)),
  ]);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${stderr}`);
  return stdout;
}
