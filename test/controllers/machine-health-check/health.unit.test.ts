/** Verifies when a MachineHealthCheck takes a machine for healthy. */

import { expect, it } from 'vitest';
import type { Machine, MachineStatus } from '../../../src/api/kinds/machine.ts';
import {
  type MachineHealthCheckSpec,
  MachineHealthCheckSpecSchema,
} from '../../../src/api/kinds/machine-health-check.ts';
import { API_VERSION } from '../../../src/api/schema/group.ts';
import type { Condition } from '../../../src/apimachinery/conditions.ts';
import { healthOf } from '../../../src/controllers/machine-health-check/health.ts';
import type { WorkloadNode } from '../../../src/controllers/node/workload-node.ts';
import { template } from '../world.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const MINUTE = 60_000;
const ago = (minutes: number) => new Date(NOW - minutes * MINUTE).toISOString();

const SPEC = spec({
  unhealthyConditions: [
    { type: 'Ready', status: 'Unknown', timeout: '5m' },
    { type: 'Ready', status: 'False', timeout: '10m' },
    { type: 'DiskPressure', status: 'True', timeout: '1m' },
  ],
  unhealthyMachineConditions: [{ type: 'DomainReady', status: 'False', timeout: '5m' }],
});

const HEALTHY = { state: 'healthy' };
const NODE_REF = { nodeRef: { name: 'node-1' } };

it.each<[string, Partial<Case>, object]>([
  ['a machine whose Node is well', {}, HEALTHY],
  [
    'one that is being deleted',
    { deleted: true, conditions: [node('Ready', 'Unknown', 60)] },
    { state: 'leaving' },
  ],
  [
    'one whose Node is not heard of for less than its limit, until the limit',
    { conditions: [node('Ready', 'Unknown', 2)] },
    { state: 'waiting', why: 'Node Ready is Unknown', lookInMs: 3 * MINUTE },
  ],
  [
    'one whose Node is not heard of for its limit',
    { conditions: [node('Ready', 'Unknown', 5)] },
    { state: 'unhealthy', why: 'Node Ready is Unknown for more than 5m' },
  ],
  [
    'one whose Node has a status without limit',
    { conditions: [node('DiskPressure', 'Unknown', 60)] },
    HEALTHY,
  ],
  [
    'one of which one condition of two lasts too long',
    { conditions: [node('Ready', 'False', 2), node('DiskPressure', 'True', 2)] },
    { state: 'unhealthy', why: 'Node DiskPressure is True for more than 60s' },
  ],
  [
    'one with two conditions that do not yet, until the first of both',
    { conditions: [node('Ready', 'False', 2), node('DiskPressure', 'True', 0)] },
    { state: 'waiting', why: 'Node DiskPressure is True', lookInMs: MINUTE },
  ],
  [
    'one whose Node does not say since when it is so',
    { conditions: [{ type: 'Ready', status: 'Unknown' }] },
    HEALTHY,
  ],
  ['one whose Node is gone', { nodes: [] }, { state: 'unhealthy', why: 'Node node-1 is gone' }],
  [
    'one that has no Node yet, until its limit',
    { nodes: [], status: {}, age: 4 },
    { state: 'waiting', why: 'it has no Node yet', lookInMs: 6 * MINUTE },
  ],
  [
    'one that never got a Node',
    { nodes: [], status: {}, age: 10 },
    { state: 'unhealthy', why: 'it has no Node 10m after its creation' },
  ],
  [
    'one that may be without a Node for ever',
    { nodes: [], status: {}, age: 1_000, spec: spec({ nodeStartupTimeout: '0s' }) },
    { state: 'waiting', why: 'it has no Node yet' },
  ],
  ['one whose Node has come, before anyone wrote that down', { status: {}, age: 1_000 }, HEALTHY],
  [
    'one that failed for good: a successor would, too',
    { nodes: [], status: { errorReason: 'ImageInvalid' } },
    { state: 'unhealthy', why: 'it failed with ImageInvalid', needsPerson: true },
  ],
  [
    'one that failed for good, of a check that wants it replaced',
    { nodes: [], status: { errorReason: 'ImageInvalid', conditions: [own('DomainReady', 'False', 6)] } },
    { state: 'unhealthy', why: 'DomainReady is False for more than 5m' },
  ],
  [
    'one whose domain is missing for too long, though its Node is not known to be away',
    { status: { ...NODE_REF, conditions: [own('DomainReady', 'False', 6)] } },
    { state: 'unhealthy', why: 'DomainReady is False for more than 5m' },
  ],
  [
    'one that is off because it is to be',
    { nodes: [], status: { ...NODE_REF, conditions: [own('AddressesReady', 'True', 60, 'NotStarted')] } },
    HEALTHY,
  ],
  [
    'one that a person has stopped, though its Node and domain have been away for long',
    {
      stopped: true,
      conditions: [node('Ready', 'Unknown', 60)],
      status: { ...NODE_REF, conditions: [own('DomainReady', 'False', 60)] },
    },
    HEALTHY,
  ],
  [
    'one that was started a moment ago, by the time since then',
    {
      conditions: [node('Ready', 'Unknown', 60)],
      status: { ...NODE_REF, providerStatus: { lastStarted: ago(2) } },
    },
    { state: 'waiting', why: 'Node Ready is Unknown', lookInMs: 3 * MINUTE },
  ],
  [
    'one that has no Node for too long after it was started',
    { nodes: [], status: { providerStatus: { lastStarted: ago(10) } }, age: 1_000 },
    { state: 'unhealthy', why: 'it has no Node 10m after its start' },
  ],
  ['one of which nobody knows the Nodes', { nodes: undefined, status: {}, age: 1_000 }, HEALTHY],
  [
    'nor then misses what the Machine itself says',
    { nodes: undefined, status: { conditions: [own('DomainReady', 'False', 6)] } },
    { state: 'unhealthy', why: 'DomainReady is False for more than 5m' },
  ],
])('judges %s', (_, given, expected) => {
  const {
    age = 1,
    deleted = false,
    stopped = false,
    conditions = [node('Ready', 'True', 60)],
    status = NODE_REF,
  } = given;
  const nodes = 'nodes' in given ? given.nodes : [{ ...NODE, conditions }];
  const machine: Machine = {
    apiVersion: API_VERSION,
    kind: 'Machine',
    metadata: {
      name: 'a',
      creationTimestamp: ago(age),
      ...(deleted ? { deletionTimestamp: ago(0) } : {}),
      ...(stopped ? { annotations: { 'cluster-api.k8s.io/stopped': '' } } : {}),
    },
    spec: { ...template().spec, providerID: 'libvirt:///1' },
    status,
  };
  expect(healthOf(machine, nodes, given.spec ?? SPEC, NOW)).toEqual(expected);
});

interface Case {
  /** Minutes. */
  readonly age: number;
  readonly stopped: boolean;
  readonly deleted: boolean;
  /** Of the Node. */
  readonly conditions: WorkloadNode['conditions'];
  readonly nodes: readonly WorkloadNode[] | undefined;
  readonly status: MachineStatus;
  readonly spec: MachineHealthCheckSpec;
}

const NODE: WorkloadNode = {
  name: 'node-1',
  uid: '1',
  providerID: 'libvirt:///1',
  addresses: [],
  conditions: [],
  isUnschedulable: false,
};

function spec(fields: object): MachineHealthCheckSpec {
  return MachineHealthCheckSpecSchema.parse({ selector: { matchLabels: { a: 'b' } }, ...fields });
}

function node(type: string, status: string, minutes: number): WorkloadNode['conditions'][number] {
  return { type, status, lastTransitionTime: ago(minutes) };
}

function own(type: string, status: 'True' | 'False', minutes: number, reason = 'NotAsSpecified'): Condition {
  return { type, status, reason, message: '', lastTransitionTime: ago(minutes) };
}
