/** Draws a timeline as an SVG picture: one bar a row. */

export interface Interval {
  readonly name: string;
  /** 0: the whole. */
  readonly depth: number;
  /** After the beginning of the whole, milliseconds. */
  readonly startMs: number;
  readonly ms: number;
}

const WIDTH = 960;
const NAMES = 300;
const ROW = 22;
const COLOURS = ['#3b4a6b', '#4c78a8', '#72b7b2', '#9ecae9', '#f2b26b'];

export function drawTimeline(title: string, intervals: readonly Interval[]): string {
  const longest = Math.max(...intervals.map(({ startMs, ms }) => startMs + ms), 1);
  const x = (ms: number) => NAMES + (ms / longest) * (WIDTH - NAMES - 80);
  const rows = intervals.map(({ name, depth, startMs, ms }, index) => {
    const y = 40 + index * ROW;
    const width = Math.max(x(startMs + ms) - x(startMs), 1);
    return [
      `<text x="${8 + depth * 12}" y="${y + 14}">${escaped(name)}</text>`,
      `<rect x="${x(startMs).toFixed(1)}" y="${y + 2}" width="${width.toFixed(1)}" height="${ROW - 6}" fill="${COLOURS[depth % COLOURS.length]}"/>`,
      `<text x="${(x(startMs) + width + 4).toFixed(1)}" y="${y + 14}">${ms.toFixed(0)} ms</text>`,
    ].join('');
  });
  const height = 50 + intervals.length * ROW;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="8" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>
${rows.join('\n')}
</svg>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
