/** Verifies that the instance id and the providerID of a machine belong together. */

import { expect, it } from 'vitest';
import type { Machine } from '../../src/api/kinds/machine.ts';
import { instanceIdIn, instanceIdOf } from '../../src/intent/instance-id.ts';

const OLD = '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed';
const NEW = '9c858901-8a57-4791-81fe-4c455b099bc9';

it.each([
  [`libvirt:///${OLD}`, OLD],
  [undefined, undefined],
  ['', undefined],
  [`libvirt://${OLD}`, undefined],
  [`libvirt:///${OLD}/x`, undefined],
  [`libvirt:///${OLD.toUpperCase()}`, undefined],
  ['libvirt:///.*', undefined],
  [`aws:///${OLD}`, undefined],
])('the instance id in providerID %s is %s', (providerID, id) => {
  expect(instanceIdIn(providerID)).toBe(id);
});

it.each([
  ['a LibvirtMachine without providerID: its uid', 'capi~web', undefined, NEW],
  ['a LibvirtMachine that was made here', 'capi~web', `libvirt:///${NEW}`, NEW],
  ['a LibvirtMachine that was moved: never its new uid', 'capi~web', `libvirt:///${OLD}`, OLD],
  ['a LibvirtMachine with a providerID of somebody else', 'capi~web', 'aws:///i-1', NEW],
  ['a Machine of the original API: its uid, whatever a copy says', 'web', `libvirt:///${OLD}`, NEW],
])('derives its name on the host: %s', (_, name, providerID, id) => {
  const machine = { metadata: { name, uid: NEW }, spec: { providerID } } as unknown as Machine;
  expect(instanceIdOf(machine)).toBe(id);
});
