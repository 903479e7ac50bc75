/** Verifies that the translation cache applies to emulated guests only. */

import { expect, test } from 'vitest';
import { LibvirtMachineProviderSpecSchema } from '../../src/api/kinds/machine-provider-spec.ts';
import { machineIntent } from '../../src/intent/machine-intent.ts';
import { CloudInitSeed } from '../../src/intent/seed/cloud-init-seed.ts';
import { hostAt } from '../lab/host-uri.ts';

const ON_HOST = {
  machine: { namespace: 'default', name: 'a', uid: '5e6a1f2c-0000-4000-8000-000000000001' },
  installation: 'i',
  site: {
    name: undefined,
    uri: hostAt('qemu:///system'),
    network: { name: 'default' },
    pool: { name: 'default' },
    failureDomain: undefined,
  },
  baseVolume: { pool: 'default', volume: 'base' },
  seed: new CloudInitSeed('a.seed', 'default', { userData: '', metaData: '' }),
  firmware: undefined,
  volumePaths: new Map<string, string>(),
  macs: undefined,
};

test.each([
  ['qemu', { cacheMiB: 1024 }, 1024],
  ['kvm', { cacheMiB: 1024 }, undefined],
  ['qemu', undefined, undefined],
] as const)(
  'a translation cache counts where a guest is emulated: on %s, %j gives %j',
  (domainType, tcg, expected) => {
    const spec = LibvirtMachineProviderSpecSchema.parse({
      vcpu: 1,
      memoryMiB: 64,
      imageURI: '/a.qcow2',
      tcg,
    });
    expect(machineIntent({ ...ON_HOST, spec, domainType }).domain.tcgCacheMiB).toBe(expected);
  },
);
