/** Verifies the traces that a collector receives. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Caplv } from './caplv.ts';
import { machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';
import { collector } from './trace-collector.ts';

const here = useStandalone('tracing');

it('an operator sees the steps of a create in traces, and no user data', async () => {
  const traces = await collector();
  try {
    const node = machine('traced', { ...here().image, userData: '#cloud-config\n# planted-in-trace\n' });
    const applied = await here().apply([node], [], { OTEL_EXPORTER_OTLP_ENDPOINT: traces.url });
    expect(applied).toMatchObject({ exitCode: 0 });
    const spans = traces.spans();
    const reconcile = spans.find(({ name }) => name === 'reconcile');
    const below = spans.filter(({ parentSpanId }) => parentSpanId === reconcile?.spanId);
    expect(below.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['lock', 'synth', 'terraform apply', 'virsh', 'write status']),
    );
    // One for the image on the host, one for the machine.
    const runs = below.filter(({ name }) => name === 'terraform apply').map(({ spanId }) => spanId);
    const resources = spans.filter(({ parentSpanId }) => runs.includes(parentSpanId ?? ''));
    expect(resources.map(({ name }) => name)).toContain('create libvirt_domain.machine');
    expect(traces.bodies.join()).not.toContain('planted');
  } finally {
    traces.close();
  }
});

it('an unreachable collector causes no failure', async () => {
  const deleted = await here().caplv.run(['delete', 'machine', 'traced'], {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' },
  });
  expect(deleted).toMatchObject({ exitCode: 0 });
});

/** Writes the stack trace of each start of terraform, the innermost function first. */
const STACKS = `
import processes from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
Error.stackTraceLimit = 100;
const { spawn } = processes;
processes.spawn = (command, args, options) => {
  const { stack } = new Error(args.join(' '));
  if (args.includes('apply')) appendFileSync(process.env.STACKS, stack + '\\n\\n');
  return spawn(command, args, options);
};
syncBuiltinESMExports();
`;

it('a stack trace at the start of terraform has the functions that docs/architecture.md names, and no others', async () => {
  const { caplv, image, directory } = here();
  const stacks = join(directory, 'stacks');
  const program = join(import.meta.dirname, '../../src/bin.ts');
  const hook = await here().file('stacks.mjs', STACKS);
  const traced = new Caplv({ ...caplv.env, STACKS: stacks }, [process.execPath, '--import', hook, program]);
  const input = manifest(machine('stacked', { ...image, running: false, userData: '#cloud-config\n' }));
  expect(await traced.run(['apply', '-f', '-'], { input })).toMatchObject({ exitCode: 0 });
  // The image was made before it.
  const last = (await readFile(stacks, 'utf8')).trim().split('\n\n').at(-1) ?? '';
  const files = [...last.matchAll(/\/(src\/[^:]*):/g)].map(([, file]) => file);
  const walk = files.slice(0, files.indexOf('src/controllers/machine/controller.ts') + 1).reverse();
  const text = await readFile(join(import.meta.dirname, '../../docs/architecture.md'), 'utf8');
  const named = [...text.matchAll(/^\| \d+ \| .* `(src\/[a-z/-]*\.ts)`/gm)].map(([, file]) => file);
  expect(walk).toEqual(named);
  expect(walk.length).toBeLessThanOrEqual(12);
});
