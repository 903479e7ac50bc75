/** Verifies that a definition that cannot be read is named in the error. */

import { describe, expect, it } from 'vitest';
import { DomainXmlCache } from '../../src/libvirt/domain-cache.ts';
import { domainTypes } from '../../src/libvirt/domain-types.ts';
import { hostFacts } from '../../src/libvirt/host-facts.ts';
import { hostInventory } from '../../src/libvirt/inventory.ts';
import { LibvirtError } from '../../src/libvirt/libvirt-error.ts';
import { networkAddresses } from '../../src/libvirt/reservations.ts';
import type { Virsh } from '../../src/libvirt/virsh.ts';
import type { Command } from '../../src/libvirt/virsh-command.ts';
import { findVolume } from '../../src/libvirt/volume.ts';

const ODD = '<a'.repeat(60);
const NETWORK = `<network><ip address='10.0.0.1'><dhcp><host mac='52:54:00:00:00:11' name='n' ip='10.0.0.9'/></dhcp></ip></network>`;
const LISTS: Readonly<Record<string, string>> = { 'net-list': 'odd\ngood\n', 'pool-list': 'odd\n' };

/** A host with a network that can be read, and all other definitions odd. */
const virsh = {
  uri: 'qemu:///system',
  batch: async (commands: readonly Command[]) =>
    commands.map((command) => {
      const isGood = command.includes('--network=good');
      const isDefinition = /dumpxml|capabilities/.test(command[0]);
      return { text: isDefinition ? (isGood ? NETWORK : ODD) : (LISTS[command[0]] ?? ''), error: undefined };
    }),
} as unknown as Virsh;

describe('a definition that cannot be read is an error that names it, with the command that shows it', () => {
  it.each([
    ['network odd', 'net-dumpxml --network=odd', () => networkAddresses(virsh, ['odd'])],
    ['network odd', 'net-dumpxml --network=odd', () => hostFacts(virsh, { networks: ['odd'] })],
    ['pool odd', 'pool-dumpxml --pool=odd', () => hostFacts(virsh, { volumesOf: ['odd'] })],
    ['volume odd/v', 'vol-dumpxml --pool=odd --vol=v', () => findVolume(virsh, 'odd', 'v')],
    ['what the host can run', 'capabilities', () => domainTypes(virsh)],
  ])('%s: %s', async (what, command, read) => {
    const error = await read().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(LibvirtError);
    expect(error).toMatchObject({
      command,
      message: expect.stringContaining(`the definition of ${what} cannot`),
    });
  });
});

it('a network that cannot be read does not keep the orphans of a host from being found', async () => {
  const { reservations } = await hostInventory(virsh, new DomainXmlCache());
  expect(reservations).toMatchObject([{ network: 'good', ip: '10.0.0.9' }]);
});
