/** Verifies when a process that wrote its identity is gone. */

import { expect, it } from 'vitest';
import { isGoneProcess, processName } from '../../src/app/leader-identity.ts';
import { type HostedProcess, isGone } from '../../src/system/process-identity.ts';

/** Where this is decided; no process has the number of the other. */
const HERE: HostedProcess = {
  host: 'node-1',
  user: 'root',
  pid: process.pid,
  startTime: '1',
  bootId: '0b000000-0000-4000-8000-000000000001',
  machineId: '00000000000000aa',
  pidNamespace: 'pid:[4026531836]',
};
const OTHER: HostedProcess = { ...HERE, pid: 2 ** 22, startTime: '7' };
const booted = { bootId: '0b000000-0000-4000-8000-000000000002' };
const contained = { pidNamespace: 'pid:[4026532999]' };
const unknown = { machineId: undefined } as unknown as Partial<HostedProcess>;

it.each<[string, boolean, Partial<HostedProcess>, Partial<HostedProcess>]>([
  ['what does not run here any more', true, {}, {}],
  ['what ran here before the last boot', true, booted, {}],
  ['what ran in a container before the last boot', true, { ...booted, ...contained }, {}],
  ['what may run in a container', false, contained, {}],
  ['what runs on a host of another name', false, { host: 'node-2' }, {}],
  ['what runs on another host of the same name', false, { ...booted, machineId: '00000000000000bb' }, {}],
  ['what runs in a container there', false, { ...booted, ...contained, machineId: '00000000000000bb' }, {}],
  ['what may run there, since it does not say where', false, { ...booted, ...unknown }, {}],
  ['what may run there, since this host does not know itself', false, { ...booted, ...unknown }, unknown],
])('%s is gone: %s', (_, gone, other, here) => {
  const [there, self] = [
    { ...OTHER, ...other },
    { ...HERE, ...here },
  ];
  expect(isGone(there, self)).toBe(gone);
  // The leader of a cluster is known by its name.
  expect(isGoneProcess(processName(there), false, self)).toBe(gone);
});
