/** Updates the sections of REPORT.md. */

import type { RecordedFault } from './record.ts';

/** A test file's part of the report. */
export interface Section {
  /** Name of the test file without its ending, for example `crash-local`. */
  readonly name: string;
  readonly faults: readonly RecordedFault[];
}

const HEAD = `# Faults and outcomes

Written by \`npm run test:faults\`: what each test of this directory broke on the real thing, what was to be seen, and how it ended.
`;

const COLUMNS = ['Fault', 'Seen', 'Outcome'];

/**
 * The report with new sections for the files that ran; those of the others stay, but for files that are no more.
 * Sorted, so that only what has changed differs.
 */
export function updated(report: string, ran: readonly Section[], files: readonly string[]): string {
  const sections = new Map(
    report
      .split(/^(?=## )/m)
      .slice(1)
      .map((text) => [/^## (.+)$/m.exec(text)?.[1] ?? '', text]),
  );
  for (const section of ran) sections.set(section.name, sectionText(section));
  const kept = [...sections].filter(([name]) => files.includes(name)).sort(([a], [b]) => compare(a, b));
  return [HEAD, ...kept.map(([, text]) => `${text.trimEnd()}\n`)].join('\n');
}

function sectionText({ name, faults }: Section): string {
  const rows = faults.map(({ fault, seen, outcome }) => row([fault, seen, outcome]));
  const unique = [...new Set(rows)].sort(compare);
  return [`## ${name}`, '', row(COLUMNS), row(COLUMNS.map(() => '---')), ...unique, ''].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

/** Compares by code units, since the order of a locale differs between machines. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
