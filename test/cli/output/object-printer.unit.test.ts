/** Verifies what `caplv get` prints of objects in each format, at once and in a watch. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MachineKind } from '../../../src/api/kinds/machine.ts';
import { MachineSetKind } from '../../../src/api/kinds/machine-set.ts';
import { openPrinter, type PrinterOptions } from '../../../src/cli/output/object-printer.ts';
import { scratchDir } from '../../terraform/scratch.ts';

const machine = (name: string, phase: string, labels?: Record<string, string>) => ({
  apiVersion: 'cluster-api.k8s.io/v1alpha1',
  kind: 'Machine',
  metadata: { name, namespace: 'lab', ...(labels && { labels }) },
  spec: { providerSpec: { userData: 'password: secret' } },
  status: { phase },
});
const web = machine('web', 'Running', { app: 'shop', tier: 'front' });
const db = machine('db', 'Pending');
const set = { apiVersion: '', kind: 'MachineSet', metadata: { name: 'pool', namespace: 'lab' } };

async function printed(options: PrinterOptions, isOne = false): Promise<string> {
  const printer = await openPrinter(options);
  const groups = [{ kind: MachineKind, objects: isOne ? [web] : [web, db] }];
  return printer.all(groups, isOne);
}

it.each([
  ['name', 'machine/web\nmachine/db\n'],
  ['jsonpath={.items[*].metadata.name}', 'web db'],
  ['jsonpath={range .items[*]}{.metadata.name}={.status.phase}{"\\n"}{end}', 'web=Running\ndb=Pending\n'],
  ['custom-columns=N:.metadata.name,APP:{.metadata.labels.app}', 'N     APP\nweb   shop\ndb    <none>\n'],
  ['custom-columns=LABELS:.metadata.labels[*]', 'LABELS\nshop,front\n<none>\n'],
])('-o %s', async (output, text) => {
  expect(await printed({ output, hasHeader: true })).toBe(text);
});

it('a machine that is asked for by name is data without a list around it', async () => {
  expect(await printed({ output: 'jsonpath={.metadata.name}' }, true)).toBe('web');
  expect(JSON.parse(await printed({ output: 'json' }, true))).toMatchObject({ kind: 'Machine' });
});

it.each(['json', 'yaml', 'jsonpath={.items}', 'custom-columns=A:.spec', 'custom-columns=A:..userData'])(
  'user data is hidden in -o %s',
  async (output) => {
    expect(await printed({ output })).not.toContain('secret');
  },
);

it('paths and columns are read from files', async () => {
  const directory = await scratchDir();
  await writeFile(join(directory, 'path'), '{.items[0].metadata.name}');
  await writeFile(join(directory, 'columns'), 'NAME            PHASE\nmetadata.name   status.phase\n');
  expect(await printed({ output: `jsonpath-file=${directory}/path` })).toBe('web');
  expect(await printed({ output: `custom-columns-file=${directory}/columns`, hasHeader: false })).toBe(
    'web   Running\ndb    Pending\n',
  );
});

it.each([
  ['jsonpath', /needs what to print/],
  ['jsonpath=', /needs what to print/],
  ['jsonpath={.a', /JSONPath/],
  ['custom-columns=NAME', /"NAME" is no column/],
  ['custom-columns=NAME:', /"NAME:" is no column/],
  ['custom-columns=NAME:.a[', /JSONPath/],
  ['jsonpath-file=/no/such/file', /cannot be read \(ENOENT\)/],
])('-o %s is refused', async (output, message) => {
  await expect(openPrinter({ output })).rejects.toMatchObject({
    code: 'InvalidConfiguration',
    message: expect.stringMatching(message),
  });
});

it('tables of several kinds name the kind, and those of all namespaces the namespace', async () => {
  const printer = await openPrinter({ showKind: true, showNamespace: true, showLabels: true });
  const groups = [
    { kind: MachineKind, objects: [web] },
    { kind: MachineSetKind, objects: [set] },
  ];
  const [first, second] = printer.all(groups, false).split('\n\n');
  expect(first).toMatch(/^NAMESPACE +NAME .* LABELS\nlab +machine\/web .*app=shop,tier=front$/);
  expect(second).toMatch(/^NAMESPACE +NAME .*\nlab +machineset\/pool /);
});

it('rows of a watch stand under the header that was printed first', async () => {
  const printer = await openPrinter({ showEvents: true });
  const first = printer.next(MachineKind, [web], 'ADDED');
  const next = printer.next(MachineKind, [machine('a', 'Deleting')], 'MODIFIED');
  const [header = '', row = ''] = first.split('\n');
  expect(header.indexOf('NAME')).toBe(row.indexOf('web'));
  expect(next.indexOf('a ')).toBe(header.indexOf('NAME'));
  expect(next).not.toContain('NAME');
  expect(next).toMatch(/^MODIFIED {3}a {6}Deleting/);
});

it('objects of a watch are documents of their own', async () => {
  const yaml = await openPrinter({ output: 'yaml' });
  expect(yaml.next(MachineKind, [web, db], 'ADDED').match(/^---$/gm)).toHaveLength(2);
  const json = await openPrinter({ output: 'json', showEvents: true });
  expect(JSON.parse(json.next(MachineKind, [web], 'ADDED'))).toMatchObject({
    type: 'ADDED',
    object: { metadata: { name: 'web' } },
  });
});
