/** Verifies which actions a plan has, and how they are guarded. */

import { expect, test } from 'vitest';
import type { Message } from '../../../src/terraform/format/messages.ts';
import { planFrom } from '../../../src/terraform/format/plan.ts';
import type { ChangeAction } from '../../../src/terraform/format/resource-change.ts';

function planned(...actions: ChangeAction[]): Message[] {
  return actions.map((action, index) => ({
    type: 'planned_change',
    at: 0,
    change: { address: `libvirt_volume.v${index}`, type: 'libvirt_volume', name: `v${index}`, action },
  }));
}

function outputs(action: ChangeAction): Message {
  return { type: 'outputs', at: 0, outputs: { id: { sensitive: false, action } } };
}

test.each<[ChangeAction[], string]>([
  [[], 'none'],
  [['read'], 'none'],
  [['create', 'create'], 'create'],
  [['create', 'update'], 'update'],
  [['update', 'replace', 'create'], 'replace'],
  [['replace', 'delete'], 'delete'],
  [['remove'], 'delete'],
])('a plan with %j is guarded as %s', (actions, expected) => {
  expect(planFrom(planned(...actions)).action).toBe(expected);
});

test('an unknown action of a later Terraform is guarded as the worst', () => {
  expect(planFrom(planned('shred' as ChangeAction)).action).toBe('delete');
});

test('a changed output is a change: plain terraform would not say "No changes"', () => {
  expect(planFrom([outputs('update')]).action).toBe('update');
  expect(planFrom([outputs('noop')]).action).toBe('none');
});

test('drift is reported apart from what the plan does about it', () => {
  const [drifted] = planned('update');
  if (drifted?.type !== 'planned_change') throw new Error('unreachable');
  const plan = planFrom([{ ...drifted, type: 'resource_drift' }]);
  expect(plan).toMatchObject({ action: 'none', changes: [], drift: [{ address: 'libvirt_volume.v0' }] });
});
