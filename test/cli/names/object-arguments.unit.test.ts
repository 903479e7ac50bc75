/** Verifies how commands read the objects that they are given. */

import { expect, it } from 'vitest';
import { CLUSTER_API_KINDS } from '../../../src/api/kinds/registry.ts';
import { ALL_KINDS, parseObjectArguments } from '../../../src/cli/names/object-arguments.ts';
import { machineKey } from '../../../src/cli/session/machine-name.ts';

it.each([
  [['machines'], [['machines', []]]],
  [['machine', 'web'], [['machine', ['web']]]],
  [['machine', 'web', 'db', 'web'], [['machine', ['web', 'db']]]],
  [
    ['machines,ms', 'web'],
    [
      ['machines', ['web']],
      ['ms', ['web']],
    ],
  ],
  [['machine/web'], [['machine', ['web']]]],
  [
    ['machine/web', 'ms/pool', 'Machine/db'],
    [
      ['machine', ['web', 'db']],
      ['ms', ['pool']],
    ],
  ],
  [['machines.cluster-api.k8s.io/web'], [['machines.cluster-api.k8s.io', ['web']]]],
  [['all'], ALL_KINDS.map((kind) => [kind, []])],
])('%j', (words, requests) => {
  expect(parseObjectArguments(words).map(({ kindName, names }) => [kindName, names])).toEqual(requests);
});

it.each([
  [['machine/']],
  [['/web']],
  [['a/b/c']],
  [['machine', 'machine/web']],
  [['machines,']],
  [['machine', '']],
])('%j is refused, and nothing else is taken for it', (words) => {
  expect(() => parseObjectArguments(words)).toThrow(
    expect.objectContaining({ code: 'InvalidConfiguration', fix: expect.stringContaining('KIND/NAME') }),
  );
});

it('all stands for each kind of the original API', () => {
  expect(ALL_KINDS).toEqual(CLUSTER_API_KINDS.map(({ plural }) => plural));
});

it.each([
  ['web', 'web'],
  ['machine/web', 'web'],
  ['ma/web', 'web'],
  ['machine.cluster-api.k8s.io/web', 'web'],
  ['LibvirtMachine/web', 'capi~web'],
  ['libvirtmachines/web', 'capi~web'],
])('machine %s', (text, name) => {
  expect(machineKey('lab', text)).toEqual({ namespace: 'lab', name });
});

it('a name of another kind is not taken for a machine', () => {
  expect(() => machineKey('lab', 'machineset/web')).toThrow(
    expect.objectContaining({ code: 'InvalidConfiguration' }),
  );
});
