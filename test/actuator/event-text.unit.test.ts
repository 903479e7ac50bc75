/** Verifies that each actuator event has a sentence for users and a reason for Kubernetes events. */

import { expect, it } from 'vitest';
import type { ActuatorEvent } from '../../src/actuator/context/options.ts';
import { eventText } from '../../src/actuator/event-text.ts';
import { CompletedParts, describeEvent } from '../../src/controllers/shared/event-messages.ts';

const domain = { address: 'libvirt_domain.machine', action: 'create' } as const;

it.each<[ActuatorEvent, string]>([
  [{ type: 'started', ...domain }, 'creating libvirt_domain.machine'],
  [{ type: 'progress', ...domain, elapsedMs: 20_400 }, 'still creating libvirt_domain.machine (20 s)'],
  [{ type: 'completed', ...domain, elapsedMs: 420 }, 'created libvirt_domain.machine in 0.4 s'],
  [{ type: 'failed', ...domain, elapsedMs: 1 }, 'failed: create libvirt_domain.machine'],
  [
    { type: 'state_recovered', host: 'qemu:///system', from: 'import', objects: ['network lan'] },
    'brought the lost Terraform state of qemu:///system back from import network lan',
  ],
  [
    {
      type: 'image_progress',
      doing: 'transferring',
      volume: 'caplv-image-1-a',
      bytes: 1.2 * 1024 ** 3,
      totalBytes: 2.7 * 1024 ** 3,
    },
    'transferring caplv-image-1-a: 44 % (1.2 of 2.7 GB)',
  ],
  [
    { type: 'image_progress', doing: 'reading', volume: 'a', bytes: 0, totalBytes: 1024 ** 2 },
    'reading a: 0 % (0.0 of 1.0 MB)',
  ],
  [{ type: 'leftovers_removed', names: ['a', 'b'] }, 'removed what an interrupted run left: a, b'],
  [{ type: 'shutdown_requested', timeoutMs: 90_000 }, 'asked the guest to shut down, at most 90 s'],
])('says %j in a sentence', (event, expected) => {
  expect(eventText(event)).toBe(expected);
});

it.each<[ActuatorEvent, string | undefined]>([
  [{ type: 'started', ...domain }, undefined],
  [{ type: 'completed', ...domain, elapsedMs: 420 }, 'Normal Made'],
  [{ type: 'completed', address: 'terraform_data.host', action: 'create', elapsedMs: 1 }, undefined],
  [{ type: 'image_progress', doing: 'reading', volume: 'a', bytes: 0, totalBytes: 1 }, undefined],
  [{ type: 'failed', ...domain, elapsedMs: 1 }, 'Warning Failed'],
  [{ type: 'state_not_kept', reason: 'no space' }, 'Warning StateNotKept'],
  [{ type: 'shutdown_timeout' }, 'Warning ShutdownTimeout'],
])('records %j as an event of a reason that programs know', (event, expected) => {
  const described = describeEvent(event);
  expect(described && `${described.type} ${described.reason}`).toBe(expected);
  expect(described?.message).toBe(described && eventText(event));
});

it('a machine that is made or removed as a whole has one event with all its parts, and one for each failure', () => {
  const root: ActuatorEvent = {
    type: 'completed',
    address: 'libvirt_volume.root',
    action: 'create',
    elapsedMs: 120,
  };
  const completed = new CompletedParts();
  expect(completed.text).toBe('');
  for (const event of [root, { type: 'completed', ...domain, elapsedMs: 420 } as const]) {
    expect(describeEvent(event, { isWhole: true })).toBeUndefined();
    completed.take(event);
  }
  completed.take({ type: 'completed', address: 'terraform_data.shape', action: 'create', elapsedMs: 1 });
  expect(completed.text).toBe(': libvirt_volume.root 0.1 s, libvirt_domain.machine 0.4 s');
  expect(describeEvent({ type: 'failed', ...domain, elapsedMs: 1 }, { isWhole: true })).toMatchObject({
    reason: 'Failed',
  });
});
