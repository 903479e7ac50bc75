/** Writes docs/performance.md and its plots from a report, so that no figure in it is typed. */

import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Benchmark } from './benchmark.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { type MeasureResult, type Report, type Run, type Verdict, verdicts } from './report.ts';
import { MEASURE_HEADER, measureRows, TARGET_HEADER, targetRow } from './report-text.ts';

const HEAD = `# Performance

Written by \`npm run bench -- --docs FILE\` from what \`npm run bench -- --json FILE\` measured. Each benchmark does the same work
in several ways in one run, one way after the other and again, on a private libvirt whose guests run under TCG; so ratios can be
compared with those of another machine, and absolute figures cannot. \`npm run bench -- --help\` lists them.

Other controllers that drive Terraform are represented by what each of them does for a machine: \`terraform init\` and \`apply\` in a
fresh directory with a provider that Terraform starts itself ("fresh terraform"). "One run, warm provider" is the one run of Terraform
that nobody who keeps its state can do without, with a provider that runs already: what CAPLV takes beyond it is its own. virsh,
without any state, is the limit.
`;

const MISSED = `Where "one run, warm provider", or one plan with it, does not reach a target by itself, nothing that runs Terraform does: its
start, its graph, and its state, which a machine that is only made by virsh does not have. What would lift creation in numbers is a provider
that defines a domain without starting it: 0.8.3 starts each and ends it again. Of 0.70 s of CPU that a machine of a fleet took in all
(process accounting over 100 machines, once, at an earlier commit), QEMU had 0.24, the API server 0.12, libvirtd 0.09, terraform 0.08,
CAPLV 0.07, the provider 0.04, etcd and virsh 0.03 each. To start terraform from a process of 250 MB costs 8 ms more than from a small one, in every way here that has a warm provider. That, and its garbage, is likely what a machine of a large fleet costs more than one of a small fleet: the process is larger then.
`;

/** Into directory `docs`. */
export async function writePage(report: Report | undefined, docs: string): Promise<void> {
  // Loads the library of charts (0.5 s), which the text needs not.
  const { barChart } = await import('./chart.ts');
  const plots = join(docs, 'performance');
  await mkdir(plots, { recursive: true });
  for (const file of await readdir(plots)) if (file.endsWith('.svg')) await rm(join(plots, file));
  for (const run of report?.runs ?? []) {
    for (const [index, measure] of plotted(run).entries()) {
      await writeFile(join(plots, plotName(run, index)), barChart(measure));
    }
  }
  await writeFile(join(docs, 'performance.md'), pageText(report));
}

export function pageText(report: Report | undefined): string {
  const parts = [HEAD, '## Targets\n', targetTable(report), MISSED];
  if (report) parts.push('## Measured on\n', machineList(report));
  for (const benchmark of BENCHMARKS) {
    parts.push(
      section(
        benchmark,
        report?.runs.find(({ name }) => name === benchmark.name),
      ),
    );
  }
  return parts.join('\n');
}

function targetTable(report: Report | undefined): string {
  const rows = BENCHMARKS.flatMap((benchmark) => {
    const run = report?.runs.find(({ name }) => name === benchmark.name);
    const found: readonly Verdict[] = run?.targets ?? verdicts(benchmark, new Map());
    return found.map((verdict) => [...targetRow(verdict), `[${benchmark.name}](#${benchmark.name})`]);
  });
  return table([...TARGET_HEADER, 'Benchmark'], rows);
}

function machineList({ machine }: Report): string {
  const { cpu, cpus, memoryMiB, kernel, node, terraform, provider, libvirt, qemu } = machine;
  return [
    `- ${cpus} × ${cpu}, ${memoryMiB} MiB, Linux ${kernel}`,
    `- Node ${node}, ${terraform}, ${provider}`,
    `- ${libvirt}, ${qemu}`,
    '',
  ].join('\n');
}

function section({ name, title, minutes }: Benchmark, run: Run | undefined): string {
  const parts = [
    `## ${name}\n`,
    `${title}. \`npm run bench -- --only ${name}\`, about ${minutes} minutes.\n`,
  ];
  if (!run) return [...parts, 'Not measured yet.\n'].join('\n');
  parts.push(table(MEASURE_HEADER, measureRows(run)));
  for (const [index, { title: what }] of plotted(run).entries()) {
    parts.push(`![${what}](performance/${plotName(run, index)})\n`);
  }
  if (run.notes.length > 0) parts.push(`${run.notes.map((note) => `- ${note}`).join('\n')}\n`);
  const counts = Object.entries(run.counts).map(([what, count]) => `${what} ${count}`);
  parts.push(
    `\`${run.command}\` (${run.size}: ${counts.join(', ')}), commit ${run.commit}, ${run.date}, ${run.seconds} s; ` +
      `load before: ${run.loadBefore.toFixed(2)}.\n`,
  );
  if (run.error !== undefined) parts.push(`It did not get to its end:\n\n\`\`\`\n${run.error}\n\`\`\`\n`);
  return parts.join('\n');
}

/** One way alone is no picture. */
function plotted({ measures }: Run): MeasureResult[] {
  return measures.filter(({ ways }) => ways.length > 1);
}

function plotName({ name }: Run, index: number): string {
  return `${name}-${index + 1}.svg`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}
