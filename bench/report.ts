/**
 * What the bench's tasks report: tables to stdout, all else to stderr.
 */

/** A table as docs/performance.md has it, in the widths that `deno fmt` gives it. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => {
    return Math.max(3, title.length, ...rows.map((cells) => cells[column]?.length ?? 0));
  });
  const line = (cells: string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Says what is being measured, and how long it takes. */
export function announce(what: string, howLong: string): void {
  console.error(`Measuring ${what}: about ${howLong} …`);
}

/** A promise of docs/performance.md, and what a run gave. */
export interface Goal {
  what: string;
  value: number;
  atMost: number;
}

/** Says which goals were missed, one sentence each; a value that is not a number misses its goal as well. */
export function findMissed(goals: Goal[]): string[] {
  return goals.filter(({ value, atMost }) => !(value <= atMost))
    .map(({ what, value, atMost }) => `${what}: ${value.toFixed(2)}, and at most ${atMost} is the goal`);
}

/** The middle one of the readings; NaN if there are none. */
export const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
