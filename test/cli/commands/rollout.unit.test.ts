/** Verifies what `scale` and `rollout` make of objects, and what they say of a rollout. */

import { expect, it } from 'vitest';
import type {
  MachineDeployment,
  MachineDeploymentStatus,
} from '../../../src/api/kinds/machine-deployment.ts';
import type { MachineSet } from '../../../src/api/kinds/machine-set.ts';
import { restarted, undone, withPaused } from '../../../src/cli/commands/changes/rollout.ts';
import { progressOf } from '../../../src/cli/commands/changes/rollout-status.ts';
import { withReplicas } from '../../../src/cli/commands/changes/scale.ts';

function deployment(spec: object = {}, status?: Partial<MachineDeploymentStatus>): MachineDeployment {
  const template = { metadata: { labels: { app: 'x' } }, spec: { providerSpec: { vcpu: 2 } } };
  return {
    apiVersion: '',
    kind: 'MachineDeployment',
    metadata: { name: 'workers', generation: 2 },
    spec: { replicas: 3, template, ...spec },
    ...(status && { status: { replicas: 3, ...status } }),
  } as unknown as MachineDeployment;
}

function set(revision: number, vcpu: number): MachineSet {
  const labels = { app: 'x', 'machine-template-hash': `h${revision}` };
  return {
    apiVersion: '',
    kind: 'MachineSet',
    metadata: { name: `s${revision}`, annotations: { 'cluster-api.k8s.io/revision': `${revision}` } },
    spec: { template: { metadata: { labels }, spec: { providerSpec: { vcpu } } } },
  } as unknown as MachineSet;
}

it.each([
  [undefined, /waiting for the controller/, false],
  [{ observedGeneration: 1, updatedReplicas: 3, availableReplicas: 3 }, /waiting for the controller/, false],
  [{ observedGeneration: 2, updatedReplicas: 1 }, /1 of 3 machines are new/, false],
  [{ observedGeneration: 2, updatedReplicas: 3, replicas: 4 }, /1 old machines are still/, false],
  [
    { observedGeneration: 2, updatedReplicas: 3, availableReplicas: 2 },
    /2 of 3 new machines are available/,
    false,
  ],
  [{ observedGeneration: 2, updatedReplicas: 3, availableReplicas: 3 }, /is rolled out/, true],
])('a rollout with status %j', (status, text, isComplete) => {
  expect(progressOf(deployment({}, status))).toEqual({ text: expect.stringMatching(text), isComplete });
});

it('a rollout beyond its deadline is waited for no longer', () => {
  const condition = {
    type: 'Progressing',
    status: 'False',
    reason: 'ProgressDeadlineExceeded',
    message: 'late',
  };
  const late = {
    observedGeneration: 2,
    updatedReplicas: 1,
    conditions: [{ ...condition, lastTransitionTime: '' }],
  };
  expect(() => progressOf(deployment({}, late as Partial<MachineDeploymentStatus>))).toThrow(/late/);
});

it('a paused rollout says how it goes on', () => {
  const { text } = progressOf(deployment({ paused: true }, { observedGeneration: 2, updatedReplicas: 0 }));
  expect(text).toContain('rollout resume');
});

it('pausing what is paused is refused', () => {
  expect(withPaused(deployment(), true).spec.paused).toBe(true);
  expect(withPaused(deployment({ paused: true }), false).spec.paused).toBe(false);
  expect(() => withPaused(deployment({ paused: true }), true)).toThrow(/paused already/);
  expect(() => withPaused(deployment(), false)).toThrow(/not paused/);
});

it('a restart changes an annotation of the template alone', () => {
  const { template } = restarted(deployment(), '2026-01-01T00:00:00Z').spec;
  expect(template).toEqual({
    ...deployment().spec.template,
    metadata: {
      labels: { app: 'x' },
      annotations: { 'cluster-api.k8s.io/restarted-at': '2026-01-01T00:00:00Z' },
    },
  });
});

it('an undo takes the template of the revision, without the label of its set', () => {
  const sets = [set(1, 1), set(2, 4), set(3, 2)];
  const vcpuAfter = (revision: number) => {
    const { template } = undone(deployment(), sets, revision).spec;
    expect(template.metadata?.labels).toEqual({ app: 'x' });
    return (template.spec.providerSpec as { vcpu: number }).vcpu;
  };
  expect(vcpuAfter(0)).toBe(4);
  expect(vcpuAfter(1)).toBe(1);
  expect(() => undone(deployment(), sets, 7)).toThrow(/no revision 7; it has 1, 2, 3/);
  expect(() => undone(deployment(), [set(3, 2)], 0)).toThrow(/no revision before/);
  expect(() => undone(deployment({ paused: true }), sets, 0)).toThrow(/is paused/);
  expect(() => restarted(deployment({ paused: true }), '')).toThrow(/is paused/);
});

it('a set is scaled, but not one that a deployment scales', () => {
  expect(withReplicas(deployment(), 5, undefined)?.spec.replicas).toBe(5);
  expect(withReplicas(deployment(), 3, 3)).toBeUndefined();
  expect(() => withReplicas(deployment(), 5, 4)).toThrow(/has 3 replicas, and not 4/);
  const owner = { apiVersion: '', kind: 'MachineDeployment', name: 'workers', uid: 'u', controller: true };
  const owned = { ...deployment(), metadata: { name: 'workers-1', ownerReferences: [owner] } };
  expect(() => withReplicas(owned, 5, undefined)).toThrow(
    expect.objectContaining({ fix: 'caplv scale machinedeployment/workers --replicas=5' }),
  );
});
