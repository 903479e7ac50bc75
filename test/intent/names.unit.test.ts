/** Verifies that names on a host are unique, and that ownership marks are read. */

import { expect, it } from 'vitest';
import {
  diskOfVolume,
  domainName,
  imageVolumeName,
  isOwnedBy,
  isVolumeOf,
  ownershipMark,
  providerID,
  readMark,
  verifiedImageName,
  volumeName,
} from '../../src/intent/names.ts';

const machine = { namespace: 'team-a', name: 'web', uid: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed' };
const other = { ...machine, uid: '2c9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed' };

it('two machines whose namespace and name run together have different domains', () => {
  expect(domainName({ namespace: 'a', name: 'b.c' })).not.toBe(domainName({ namespace: 'a-b', name: 'c' }));
  expect(domainName({ namespace: 'a-b', name: 'c' })).not.toBe(domainName({ namespace: 'a', name: 'b-c' }));
});

it('only the uid in its description proves the owner of a domain', () => {
  expect(isOwnedBy(machine, ownershipMark(machine, 'here'))).toBe(true);
  expect(isOwnedBy(machine, ownershipMark(machine, undefined))).toBe(true);
  expect(isOwnedBy(machine, ownershipMark(other, 'here'))).toBe(false);
  expect(isOwnedBy(machine, `my notes on uid ${machine.uid}`)).toBe(false);
  expect(isOwnedBy(machine, '')).toBe(false);
  expect(isOwnedBy(machine, undefined)).toBe(false);
});

it('marks of earlier versions, which name the Cluster, are read as they were', () => {
  const mark = `caplv machine team-a/web uid ${machine.uid}`;
  expect(readMark(ownershipMark(machine, 'here'))).toEqual({ ...machine, installation: 'here' });
  for (const cluster of ['', ' cluster fujisan']) {
    expect(isOwnedBy(machine, mark + cluster)).toBe(true);
    expect(readMark(mark + cluster)).toEqual({ ...machine, installation: undefined });
    expect(readMark(`${mark}${cluster} installation here`)).toEqual({ ...machine, installation: 'here' });
  }
});

it("a volume of an earlier machine of the same name is not taken for the new one's", () => {
  expect(isVolumeOf(machine, volumeName(machine, 'root.qcow2'))).toBe(true);
  expect(isVolumeOf(machine, volumeName(other, 'root.qcow2'))).toBe(false);
  expect(isVolumeOf(machine, volumeName({ ...machine, name: 'web2' }, 'root.qcow2'))).toBe(false);
});

it('a volume of a machine whose name looks like the volumes of another is not taken for that one’s', () => {
  for (const part of ['root.qcow2', 'disk-a', 'seed', 'seed.iso', 'x']) {
    const named = { ...other, name: `${machine.name}.${machine.uid.slice(0, 8)}-${part}` };
    for (const role of ['root.qcow2', 'disk-a.raw', 'seed.iso-0123456789abcdef']) {
      expect(isVolumeOf(machine, volumeName(named, role))).toBe(false);
      expect(isVolumeOf(named, volumeName(named, role))).toBe(true);
    }
  }
});

it.each([
  ['root.qcow2', 'root'],
  ['disk-data.qcow2', 'data'],
  ['disk-a.b-c.raw', 'a.b-c'],
  ['disk-root.raw', 'disk-root'],
  ['seed.iso-0123456789abcdef', undefined],
])('the volume %s holds the data of the disk %s', (role, disk) => {
  expect(diskOfVolume(volumeName(machine, role))).toBe(disk);
});

it('two installations on one host never share a base image volume', () => {
  expect(imageVolumeName('aaaaaaaa-1', 'key', '/images/debian.qcow2')).not.toBe(
    imageVolumeName('bbbbbbbb-1', 'key', '/images/debian.qcow2'),
  );
});

it('the name of an image volume tells which image it is, and leaves out what may be secret in a URL', () => {
  const name = imageVolumeName('aaaaaaaa-1', 'key', 'https://user:pw@host/dir/debian 12.qcow2?token=secret');
  expect(name).toMatch(/^caplv-image-aaaaaaaa-[0-9a-f]{32}-debian_12\.qcow2$/);
});

it('the provider ID is known before the domain exists', () => {
  expect(providerID(machine)).toBe('libvirt:///1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed');
});

it('an image known by its digest is one volume for a namespace, and another one for every other namespace', () => {
  const digest = `sha256:${'ab'.repeat(32)}`;
  const nameIn = (namespace: string) => verifiedImageName('1b9d6bcd-bbfd', { namespace }, digest);
  expect(nameIn('red')).toMatch(/^caplv-image-1b9d6bcd-[0-9a-f]{32}-sha256-abababababab$/);
  expect(nameIn('red')).toBe(nameIn('red'));
  expect(nameIn('red')).not.toBe(nameIn('blue'));
});
