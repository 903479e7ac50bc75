/** Verifies that secrets in objects are hidden in output. */

import { expect, test } from 'vitest';
import { LibvirtMachineKind } from '../../../src/api/infrastructure/libvirt-machine.ts';
import { redact } from '../../../src/api/manifest/redact.ts';
import { MINIMAL, machine, machineSet } from '../refusals.ts';

const SECRETS = { userData: 'hunter2', networkConfig: 'hünter2', ignition: '{"a": "hunter2"}' };

test.each([
  ['inline', machine({ ...MINIMAL, ...SECRETS })],
  ['under value', machine({ value: { ...MINIMAL, ...SECRETS } })],
  ['under an inner spec', machine({ value: { spec: { ...MINIMAL, ...SECRETS } } })],
  ['in the template of a set', machineSet({}, { ...MINIMAL, ...SECRETS })],
  ['in a field of the wrong type', machine({ ...MINIMAL, userData: { password: 'hunter2' } })],
  [
    "in kubectl's copy",
    {
      ...machine(MINIMAL),
      metadata: {
        name: 'a',
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{"userData": "hunter2"}' },
      },
    },
  ],
  [
    'in a Secret',
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'a' },
      stringData: { value: 'hunter2' },
      data: { other: 'hunter2' },
    },
  ],
  [
    'in an object of another kind',
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, spec: { data: 'hunter2' } },
  ],
])('secrets %s are not shown', (_, object) => {
  expect(JSON.stringify(object)).toMatch(/h[uü]nter2/);
  expect(JSON.stringify(redact(object))).not.toMatch(/h[uü]nter2/);
});

test('the number of hidden bytes is shown, and everything else stays', () => {
  const object = machine({ ...MINIMAL, ...SECRETS });
  expect(redact(object)).toEqual(
    machine({
      ...MINIMAL,
      userData: '(hidden, 7 bytes)',
      networkConfig: '(hidden, 8 bytes)',
      ignition: '(hidden, 16 bytes)',
    }),
  );
  expect(object.spec.providerSpec).toMatchObject(SECRETS);
});

test('a LibvirtMachine is shown with its spec, and its secrets hidden', () => {
  const apiVersion = 'infrastructure.cluster.x-k8s.io/v1alpha1';
  const spec = { vcpu: 2, networkConfig: SECRETS.networkConfig };
  const one = { apiVersion, kind: 'LibvirtMachine', metadata: { name: 'a' }, spec };
  expect(redact(one, LibvirtMachineKind).spec).toEqual({ vcpu: 2, networkConfig: '(hidden, 8 bytes)' });
});
