/** Verifies what annotations ask of the power of a machine, and that each restart is done once. */

import { beforeEach, expect, it } from 'vitest';
import type { Machine, MachineProviderStatus } from '../../../../src/api/kinds/machine.ts';
import { REBOOT_ANNOTATION, STOPPED_ANNOTATION } from '../../../../src/api/schema/power.ts';
import {
  dropReboot,
  pendingReboot,
  powerOptions,
  recordPower,
  requestedPower,
  withRequestedPower,
} from '../../../../src/controllers/machine/power/requests.ts';
import type { PlacedMachine } from '../../../../src/controllers/machine/scope/placed-machine.ts';
import { MachineScope } from '../../../../src/controllers/machine/scope/scope.ts';
import type { DomainObservation } from '../../../../src/libvirt/domain.ts';

const STOP = { [STOPPED_ANNOTATION]: '2026-01-01T12:00:00Z' };
const RUNS = { state: 'running' } as DomainObservation;
const OFF = { state: 'shutoff' } as DomainObservation;
const ON = place(true);

let writes: (MachineProviderStatus | undefined)[];

beforeEach(() => {
  writes = [];
});

function place(running: boolean): PlacedMachine {
  return { spec: { running } } as unknown as PlacedMachine;
}

function scopeOf(annotations: Record<string, string> = {}, status: object = {}): MachineScope {
  const machine = { metadata: { name: 'web', namespace: 'default', annotations }, spec: {}, status };
  const store = {
    applyStatus: async (_: unknown, __: unknown, written: Machine['status']) => {
      writes.push(written?.providerStatus);
      return { ...machine, status: written };
    },
  };
  return new MachineScope(store as never, machine as never);
}

const reboot = (value: string, state?: 'ShutDown' | 'Done') =>
  scopeOf(
    { [REBOOT_ANNOTATION]: value },
    state ? { providerStatus: { reboot: { request: value, state, time: value } } } : {},
  );

it.each([
  [true, {}, true],
  [true, STOP, false],
  [true, { [STOPPED_ANNOTATION]: '' }, false],
  [false, {}, false],
  [false, STOP, false],
])('a machine with running: %s and annotations %j is to run: %s', (running, annotations, expected) => {
  const { spec } = place(running);
  expect(withRequestedPower(spec, scopeOf(annotations).machine)).toEqual({ running: expected });
});

it.each([
  ['a new request', reboot('a'), true, true],
  ['one whose guest is off, and not yet started', reboot('a', 'ShutDown'), true, true],
  ['one that was carried out', reboot('a', 'Done'), true, false],
  ['one of a machine that is not to run', reboot('a'), false, false],
  ['none', scopeOf(), true, false],
])('of requests to restart, %s is open as it should be', (_, scope, running, expected) => {
  expect(pendingReboot(scope, place(running)) !== undefined).toBe(expected);
});

it('a restart that ended while the guest was off only starts it', async () => {
  expect(powerOptions(reboot('a', 'ShutDown'), ON)).toEqual({});
  const scope = reboot('a');
  await powerOptions(scope, ON).restart?.onOff();
  // Stored before the guest is started: a process that ends in between does not shut it down a second time.
  expect(writes).toEqual([{ reboot: { request: 'a', state: 'ShutDown', time: expect.any(String) } }]);
  recordPower(scope, ON, false);
  expect(scope.providerStatus).toEqual({
    reboot: { request: 'a', state: 'Done', time: expect.any(String) },
    lastStarted: expect.any(String),
  });
  expect(pendingReboot(scope, ON)).toBeUndefined();
});

it('only a request by force powers the guest off', () => {
  expect(powerOptions(reboot('2026-01-01T12:00:00Z'), ON).powerOff).toBe(false);
  expect(powerOptions(reboot('force 2026-01-01T12:00:00Z'), ON).powerOff).toBe(true);
  expect(powerOptions(scopeOf({ [STOPPED_ANNOTATION]: 'force' }), place(false)).powerOff).toBe(true);
  expect(powerOptions(scopeOf(STOP), place(false)).powerOff).toBe(false);
});

it('a machine that is off has no restart left when it is started later', () => {
  const scope = reboot('a');
  dropReboot(scope, place(false));
  expect(pendingReboot(scope, ON)).toBeUndefined();
});

it.each([
  ['a stop', scopeOf(STOP), false, RUNS],
  ['a restart', reboot('a'), true, RUNS],
  ['a start', stopped(), true, OFF],
])('%s is named as the reason of the change', (what, scope, running, observed) => {
  expect(requestedPower(scope, place(running), observed)).toBe(`${what} was requested`);
});

it('a guest that went off by itself was not requested to', () => {
  expect(requestedPower(scopeOf(), ON, OFF)).toBeUndefined();
});

function stopped(): MachineScope {
  const condition = { type: 'AddressesReady', status: 'False', reason: 'Stopped', lastTransitionTime: '' };
  return scopeOf({}, { conditions: [condition] });
}
