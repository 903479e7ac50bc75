/**
 * Traces one machine that is created and removed in a warm process (`npm run trace`), and writes tables, and pictures in
 * docs/, of where the time goes. The spans are those that an OpenTelemetry collector gets.
 */

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { formatTable } from '../../src/cli/output/table.ts';
import { traced } from '../../src/telemetry/spans.ts';
import { registerTracer } from '../../src/telemetry/tracer-provider.ts';
import { Lab } from '../lab/lab.ts';
import { inProcess } from './subjects.ts';
import { drawTimeline, type Interval } from './timeline.ts';
import { openBenchEngine } from './ways.ts';

const DOCS = join(import.meta.dirname, '../../docs');
const TITLES = {
  create: 'One machine, from its manifest to a running domain',
  remove: 'One machine, from its deletion until nothing is left',
};

const exporter = new InMemorySpanExporter();
const close = registerTracer(new SimpleSpanProcessor({ exporter }));
const lab = await Lab.up({ name: 'trace', fresh: true });
try {
  const [host] = lab.hosts;
  if (!host) throw new Error('the lab has no host');
  const directory = await mkdtemp(join(tmpdir(), 'caplv-trace-'));
  const bed = { uri: host.uri, image: lab.imagePath, directory, env: lab.env() };
  const engine = await openBenchEngine(bed);
  const subject = inProcess(bed, engine);
  // The first imports the image, and starts the provider and the thread that synthesizes.
  await subject.create(0);
  for (const verb of ['create', 'remove'] as const) {
    exporter.reset();
    await traced(verb, {}, () => subject[verb](1));
    const intervals = intervalsOf(exporter.getFinishedSpans());
    const rows = intervals.map(({ name, depth, startMs, ms }) => [
      '  '.repeat(depth) + name,
      startMs.toFixed(0),
      ms.toFixed(0),
    ]);
    process.stdout.write(`${formatTable(['SPAN', 'AFTER MS', 'MS'], rows)}\n`);
    await writeFile(join(DOCS, `trace-${verb}.svg`), drawTimeline(TITLES[verb], intervals));
  }
  await subject.remove(0);
  await engine.close();
} finally {
  await lab.down();
  await close();
}

/** Lists spans by their start, each below its parent. */
function intervalsOf(spans: readonly ReadableSpan[]): Interval[] {
  const milliseconds = ([seconds, nanoseconds]: readonly [number, number]) =>
    seconds * 1e3 + nanoseconds / 1e6;
  const childrenOf = (id: string | undefined) =>
    spans
      .filter((span) => span.parentSpanContext?.spanId === id)
      .sort((a, b) => milliseconds(a.startTime) - milliseconds(b.startTime));
  const [root] = childrenOf(undefined);
  if (!root) return [];
  const origin = milliseconds(root.startTime);
  const below = (span: ReadableSpan, depth: number): Interval[] => [
    {
      name: span.name,
      depth,
      startMs: milliseconds(span.startTime) - origin,
      ms: milliseconds(span.duration),
    },
    ...childrenOf(span.spanContext().spanId).flatMap((child) => below(child, depth + 1)),
  ];
  return below(root, 0);
}
