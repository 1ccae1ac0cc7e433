/**
 * The picture of a scenario in docs/: what the pages ask for over time, as SVG.
 *
 * @module
 */

import type { Demand, Scenario } from "./open_pages.ts";

const [WIDTH, LEFT, RIGHT, TOP, BOTTOM] = [860, 60, 848, 46, 246];

/** Seconds that one point of a line is the mean of. */
const SECONDS = 10;

const LINES = [
  { kind: "polls", name: "polls", color: "#0b6b4f" },
  { kind: "refreshes", name: "refreshes of a session", color: "#b4531f" },
] as const;

const text = (x: number, y: number, words: string | number, more = "") =>
  `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" ${more}>${words}</text>`;

/** The means of every ten seconds. */
function points(values: number[]): number[] {
  return Array.from({ length: Math.floor(values.length / SECONDS) }, (_, i) => {
    return values.slice(i * SECONDS, (i + 1) * SECONDS).reduce((sum, value) => sum + value, 0) / SECONDS;
  });
}

/** Draws the scenario, readable on a white ground of its own. */
export function drawPicture({ pages, minutes, troubles }: Scenario, demand: Demand): string {
  const highest = Math.max(...LINES.flatMap(({ kind }) => points(demand[kind])));
  const step = 10 ** Math.floor(Math.log10(highest)) / 2;
  const limit = Math.ceil(highest / step) * step;
  const x = (minute: number) => LEFT + (minute / minutes) * (RIGHT - LEFT);
  const y = (value: number) => BOTTOM - (value / limit) * (BOTTOM - TOP);

  const parts = [
    text(LEFT, 18, `${pages} open pages: requests per second, by minutes since the first was opened`),
    ...LINES.map(({ name, color }, i) => text(LEFT + i * 60, 36, name, `fill="${color}" font-weight="600"`)),
    ...troubles.flatMap(({ kind, from, to }) => [
      `<path d="M${x(from)} ${TOP}H${x(to)}V${BOTTOM}H${x(from)}" fill="#f3dcc7"/>`,
      text(x((from + to) / 2), TOP + 14, kind, 'text-anchor="middle" fill="#8a4b14"'),
    ]),
    ...Array.from({ length: limit / step + 1 }, (_, i) => i * step).flatMap((tick) => [
      `<path d="M${LEFT} ${y(tick)}H${RIGHT}" stroke="#d5dbe0"/>`,
      text(LEFT - 8, y(tick) + 4, tick, 'text-anchor="end"'),
    ]),
    ...Array.from({ length: Math.floor(minutes / 10) + 1 }, (_, i) => i * 10).map((minute) =>
      text(x(minute), BOTTOM + 18, minute, 'text-anchor="middle"')
    ),
    ...LINES.map(({ kind, color }) => {
      const line = points(demand[kind]).map((value, i) =>
        `${x((i + 0.5) * SECONDS / 60).toFixed(1)},${y(value).toFixed(1)}`
      );
      return `<polyline fill="none" stroke="${color}" stroke-width="1.2" points="${line.join(" ")}"/>`;
    }),
  ];
  const box = `viewBox="0 0 ${WIDTH} ${BOTTOM + 30}" font-family="system-ui, sans-serif" font-size="12"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box} fill="#1b2228">
<rect width="100%" height="100%" fill="#ffffff"/>
${parts.join("\n")}
</svg>
`;
}
