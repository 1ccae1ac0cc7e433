/**
 * The picture of a scenario in docs/: what the pages ask for over time, as SVG.
 *
 * @module
 */

import { type Demand, type Scenario, spanOf } from "./open_pages.ts";

const WIDTH = 860;
const LEFT = 60;
const RIGHT = 12;
const CHART_HEIGHT = 170;
const TOP = 46;
const GAP = 54;

/** Seconds that one point of a line stands for: it is the highest of them. */
const SECONDS_PER_POINT = 10;

const CHARTS: { title: string; lines: { kind: keyof Demand; name: string; color: string }[] }[] = [
  { title: "Polls per second", lines: [{ kind: "polls", name: "polls", color: "#0b6b4f" }] },
  {
    title: "Upstream requests per second",
    lines: [
      { kind: "rest", name: "REST", color: "#3461a8" },
      { kind: "auth", name: "Auth", color: "#b4531f" },
      { kind: "refreshes", name: "refreshes of a session", color: "#8a8f98" },
    ],
  },
];

/** Draws the scenario; colours, lines and text are readable on a white ground of its own. */
export function picture({ pages, minutes, troubles }: Scenario, demand: Demand): string {
  const seconds = minutes * 60;
  const x = (second: number) => LEFT + (second / seconds) * (WIDTH - LEFT - RIGHT);
  const height = TOP + CHARTS.length * (CHART_HEIGHT + GAP);
  const number = (value: number) => value.toFixed(1).replace(/\.0$/, "");
  const text = (at: [number, number], words: string, more = "") =>
    `<text x="${number(at[0])}" y="${number(at[1])}" ${more}>${words}</text>`;

  const charts = CHARTS.map(({ title, lines }, i) => {
    const top = TOP + i * (CHART_HEIGHT + GAP);
    const bottom = top + CHART_HEIGHT;
    const highest = Math.max(...lines.map(({ kind }) => demand[kind].reduce((a, b) => Math.max(a, b), 0)));
    const step = 10 ** Math.floor(Math.log10(highest)) / 2;
    const limit = Math.ceil(highest / step) * step;
    const y = (value: number) => bottom - (value / limit) * CHART_HEIGHT;
    const ticks = Array.from({ length: limit / step + 1 }, (_, tick) => tick * step);
    const path = (values: number[]) => {
      const points: string[] = [];
      for (let from = 0; from < seconds; from += SECONDS_PER_POINT) {
        const most = values.slice(from, from + SECONDS_PER_POINT).reduce((a, b) => Math.max(a, b), 0);
        points.push(`${number(x(from + SECONDS_PER_POINT / 2))},${number(y(most))}`);
      }
      return points.join(" ");
    };
    return [
      text([LEFT, top - 10], title, 'font-weight="600"'),
      ...lines.map(({ name, color }, line) =>
        lines.length > 1 ? text([LEFT + 250 + line * 90, top - 10], name, `fill="${color}"`) : ""
      ),
      ...troubles.map((trouble) => {
        const { from, to } = spanOf(trouble);
        return `<rect x="${number(x(from))}" y="${top}" width="${
          number(x(to) - x(from))
        }" height="${CHART_HEIGHT}" fill="#f3dcc7"/>`;
      }),
      ...ticks.map((tick) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${number(y(tick))}" y2="${
          number(y(tick))
        }" stroke="#d5dbe0"/>` + text([LEFT - 8, y(tick) + 4], String(tick), 'text-anchor="end"')
      ),
      ...lines.map(({ kind, color }) =>
        `<polyline fill="none" stroke="${color}" stroke-width="1.2" points="${path(demand[kind])}"/>`
      ),
      ...Array.from(
        { length: Math.floor(minutes / 10) + 1 },
        (_, ten) => text([x(ten * 600), bottom + 18], String(ten * 10), 'text-anchor="middle"'),
      ),
    ].join("\n");
  });

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#1b2228">
<rect width="100%" height="100%" fill="#ffffff"/>
${
    text(
      [LEFT, 18],
      `${pages} open pages, minutes since the first was opened; the highest of each ${SECONDS_PER_POINT} seconds`,
    )
  }
${charts.join("\n")}
${
    troubles.map((trouble) => {
      const { from, to } = spanOf(trouble);
      return text([x((from + to) / 2), TOP + 14], trouble.kind, 'text-anchor="middle" fill="#8a4b14"');
    }).join("\n")
  }
</svg>
`;
}
