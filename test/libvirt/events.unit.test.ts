/** Verifies how virsh's lines about domain events are read. */

import { expect, test } from 'vitest';
import { parseEvent } from '../../src/libvirt/events.ts';
import { fixture } from './fixture.ts';

test('the life of a guest, as virsh tells it', () => {
  const events = fixture('event-lifecycle.txt')
    .split('\n')
    .flatMap((line) => parseEvent(line) ?? []);
  expect(
    events.map((event) => event.kind === 'lifecycle' && [event.domain, event.change, event.detail]),
  ).toEqual([
    ['default-web-0', 'undefined', 'Removed'],
    ['default-web-0', 'defined', 'Added'],
    ['default-web-1', 'defined', 'Added'],
    ['default-web-0', 'resumed', 'Unpaused'],
    ['default-web-0', 'started', 'Booted'],
    ['default-web-0', 'shutdown', 'Finished after guest request'],
    ['default-web-0', 'stopped', 'Shutdown'],
  ]);
  expect(events[0]).toMatchObject({ at: new Date('2026-11-23T15:26:31.422Z') });
});

test('a name with quotes and colons is read whole', () => {
  const line = `2026-11-23 15:14:39.045+0000: event 'lifecycle' for domain 'a': b';q"\\': Started Booted`;
  expect(parseEvent(line)).toMatchObject({ domain: `a': b';q"\\`, change: 'started' });
});

test.each(['', 'connected', 'events received: 3', "event 'reboot' for domain 'x'"])(
  '%j is no event',
  (line) => {
    expect(parseEvent(line)).toBeUndefined();
  },
);
