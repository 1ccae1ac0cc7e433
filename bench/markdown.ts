/** A table as docs/performance.md has it, in the widths that `deno fmt` gives it. */
export function table(head: string[], rows: (string | number)[][]): string {
  const lines = [head, ...rows].map((cells) => cells.map(String));
  const widths = head.map((_, column) => Math.max(3, ...lines.map((cells) => cells[column]?.length ?? 0)));
  const [first, ...rest] = lines.map((cells) =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`
  );
  return [first, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rest].join("\n");
}

/** One promise of the project, and what a run gave. */
export interface Goal {
  what: string;
  value: number;
  atMost: number;
}

/** The goals as a table. */
export function goalTable(title: string, goals: Goal[]): string {
  const rows = goals.map(({ what, value, atMost }) => [what, value.toFixed(2), `at most ${atMost}`]);
  return table([title, "", "Goal"], rows);
}

/** Says which goals were missed, one sentence each. */
export function missed(goals: Goal[]): string[] {
  // A value that is not a number misses its goal as well.
  return goals.filter(({ value, atMost }) => !(value <= atMost))
    .map(({ what, value, atMost }) => `${what}: ${value.toFixed(2)}, and at most ${atMost} is the goal`);
}

/** Says what is being measured; to stderr, so that stdout holds the tables alone. */
export function measuring(what: string, howLong: string): void {
  console.error(`Measuring ${what}: about ${howLong} …`);
}
