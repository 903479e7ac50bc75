/** Verifies how the capabilities of a host are read. */

import { expect, test } from 'vitest';
import { parseDomainTypes } from '../../src/libvirt/domain-types.ts';
import { fixture } from './fixture.ts';

const capabilities = fixture('capabilities-tcg.xml');

test('a host without KVM offers QEMU alone, with the machines and firmware that it has', () => {
  const types = parseDomainTypes(capabilities, fixture('domcapabilities.xml'));
  expect(types.kvm).toBe(false);
  expect(types.qemu).toBe(true);
  expect(types.machines).toEqual(expect.arrayContaining(['pc', 'q35', 'pc-q35-7.2', 'pc-i440fx-7.2']));
  expect(types.graphics).toEqual(expect.arrayContaining(['vnc', 'spice']));
  expect(types.uefi).toEqual([
    { loader: '/usr/share/OVMF/OVMF_CODE_4M.fd', nvramTemplate: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
  ]);
});

test('KVM counts when libvirt lists it for the architecture of the host', () => {
  const withKvm = (arch: string) =>
    capabilities.replace(
      new RegExp(`(<arch name='${arch}'>.*?<domain type='qemu'/>)`, 's'),
      "$1<domain type='kvm'/>",
    );
  expect(parseDomainTypes(withKvm('x86_64'), '')).toMatchObject({ kvm: true, graphics: [], uefi: [] });
  expect(parseDomainTypes(withKvm('i686'), '').kvm).toBe(false);
});

test.each([
  // Debian's names, then Fedora's.
  ['/usr/share/OVMF/OVMF_CODE_4M.secboot.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  ['/usr/share/OVMF/OVMF_CODE_4M.ms.fd', '/usr/share/OVMF/OVMF_VARS_4M.ms.fd'],
  ['/usr/share/AAVMF/AAVMF_CODE.fd', '/usr/share/AAVMF/AAVMF_VARS.fd'],
  ['/usr/share/edk2/ovmf/OVMF.fd', undefined],
])('the NVRAM template that goes with %s', (loader, nvramTemplate) => {
  const xml = `<domainCapabilities><os><loader><value>${loader}</value></loader></os></domainCapabilities>`;
  expect(parseDomainTypes(capabilities, xml).uefi).toEqual([{ loader, nvramTemplate }]);
});
