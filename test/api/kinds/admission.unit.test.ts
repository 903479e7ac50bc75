/** Verifies defaults and validation of the local store. */

import { expect, test } from 'vitest';
import { admit } from '../../../src/api/kinds/admission.ts';
import { MINIMAL, machine, machineDeployment } from '../refusals.ts';

test('defaults are filled in as an API server does it, and a status is not changed', () => {
  const status = { anything: true };
  expect(admit({ ...machineDeployment({ strategy: { rollingUpdate: {} } }), status })).toMatchObject({
    spec: {
      replicas: 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    },
    status,
  });
});

test('a provider spec keeps the shape that its author chose', () => {
  const object = machine({ value: { spec: MINIMAL } });
  expect(admit(object)).toEqual(object);
});

test('invalid input is refused with the field at fault', () => {
  expect(() => admit(machine({ ...MINIMAL, vcpu: 0 }))).toThrow(
    expect.objectContaining({ code: 'InvalidConfiguration', path: 'spec.providerSpec.vcpu' }),
  );
  expect(() => admit({ ...machine(MINIMAL), kind: 'Pod' })).toThrow('is not a kind that is known here');
});
