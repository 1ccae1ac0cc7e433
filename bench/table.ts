/** A table in Markdown, in the widths that `deno fmt` gives it. */
export function table(head: string[], rows: string[][]): string {
  const lengths = (column: number) => [head, ...rows].map((cells) => cells[column]?.length ?? 0);
  const widths = head.map((_, column) => Math.max(...lengths(column)));
  const line = (cells: string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
