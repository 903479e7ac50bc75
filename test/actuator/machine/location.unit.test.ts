/** Verifies which pools and volumes belong to a machine. */

import { describe, expect, it } from 'vitest';
import { poolsIn, poolsOf, volumesOf } from '../../../src/actuator/machine/location.ts';
import type { MachineIntent } from '../../../src/intent/hosted-intent.ts';
import { parseState } from '../../../src/terraform/format/state.ts';
import { minimalMachine } from '../../stacks/intents.ts';

const data = { kind: 'new', volume: 'default.small.data', pool: 'fast', sizeBytes: 2 ** 30 } as const;
const borrowed = { kind: 'existing', volume: 'shared', pool: 'nfs' } as const;
const machine = { ...minimalMachine, disks: [data, borrowed] } as unknown as MachineIntent;

describe('pools of a machine', () => {
  it('are those of its root disk and of the disks that are made for it, each once', () => {
    expect(poolsOf(machine)).toEqual(['default', 'fast']);
  });

  it('do not include a volume that it only attaches, which a deletion must not remove', () => {
    expect(poolsOf({ ...machine, disks: [borrowed] } as unknown as MachineIntent)).toEqual(['default']);
  });
});

it('volumes of a machine are its image, its root disk and its own data disks', () => {
  expect(volumesOf(machine)).toEqual([
    { pool: 'default', name: 'base' },
    { pool: 'default', name: 'default.small.root' },
    { pool: 'fast', name: 'default.small.data' },
  ]);
});

it('pools in a state are those that its volumes name; a domain names none', () => {
  const resource = (type: string, attributes: object) => ({
    mode: 'managed',
    type,
    name: 'x',
    instances: [{ attributes }],
  });
  const text = JSON.stringify({
    version: 4,
    serial: 1,
    lineage: 'a',
    outputs: {},
    resources: [resource('libvirt_volume', { pool: 'fast' }), resource('libvirt_domain', { name: 'd' })],
  });
  expect(poolsIn(parseState(text))).toEqual(['fast']);
  expect(poolsIn(undefined)).toEqual([]);
});
