/** Tables as kubectl prints them: no lines, three spaces between columns. */

import { printableLine } from '../../telemetry/printable.ts';

/** `rows` as wide as `header`; an empty cell prints as `<none>`. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows.map((row) => row.map((cell) => printableLine(cell) || '<none>'))];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}
