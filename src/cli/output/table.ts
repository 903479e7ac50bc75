/** Tables as kubectl prints them: no lines, three spaces between columns. */

import { printableLine } from '../../telemetry/printable.ts';

/** `rows` as wide as `header`; an empty cell prints as `<none>`. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return new Table(header).add(rows);
}

/** A table that grows row by row: later rows stand under the first ones, as far as they are not wider. */
export class Table {
  readonly #widths: number[];
  #header: readonly string[] | undefined;

  constructor(header: readonly string[], { hasHeader = true } = {}) {
    this.#header = hasHeader ? header : undefined;
    this.#widths = header.map(() => 0);
  }

  /** Returns the text of these rows, under the header if they are the first ones. */
  add(rows: readonly (readonly string[])[]): string {
    const shown = rows.map((row) => row.map((cell) => printableLine(cell) || '<none>'));
    const lines = this.#header ? [this.#header, ...shown] : shown;
    this.#header = undefined;
    for (const line of lines)
      for (const [column, cell] of line.entries())
        this.#widths[column] = Math.max(this.#widths[column] ?? 0, cell.length);
    return lines.map((line) => this.#lineOf(line)).join('');
  }

  #lineOf(cells: readonly string[]): string {
    const padded = cells.map((cell, column) => cell.padEnd(this.#widths[column] ?? 0));
    return `${padded.join('   ').trimEnd()}\n`;
  }
}
