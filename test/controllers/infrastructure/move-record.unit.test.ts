/** Verifies that the status of a moved machine is restored from its state Secret. */

import { describe, expect, it } from 'vitest';
import type { LibvirtMachine } from '../../../src/api/infrastructure/libvirt-machine.ts';
import type { MachineProviderStatus } from '../../../src/api/kinds/machine.ts';
import type { ObjectMeta } from '../../../src/apimachinery/object.ts';
import {
  isToBeTakenOver,
  RECORD_ANNOTATION,
  recordOf,
  takeOver,
} from '../../../src/controllers/infrastructure/move-record.ts';

const OLD = '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed';
const NEW = '9c858901-8a57-4791-81fe-4c455b099bc9';

const MADE: MachineProviderStatus = {
  appliedHash: 'abc',
  host: 'rack1',
  pinned: {
    uri: 'qemu:///system',
    domainType: 'qemu',
    imageURI: '/image.qcow2',
    base: { pool: 'default', volume: 'caplv-image-1b9d6bcd-0-image.qcow2' },
    imageSource: '/image.qcow2',
    installation: 'first',
  },
};

function machine(
  uid: string,
  id: string | undefined,
  more: { spec?: object; status?: object } = {},
): LibvirtMachine {
  return {
    apiVersion: 'infrastructure.cluster.x-k8s.io/v1alpha1',
    kind: 'LibvirtMachine',
    metadata: { name: 'web', namespace: 'default', uid },
    spec: {
      vcpu: 1,
      memoryMiB: 128,
      imageURI: '/image.qcow2',
      ...(id && { providerID: `libvirt:///${id}` }),
      ...more.spec,
    },
    ...(more.status && { status: { providerStatus: more.status } }),
  } as LibvirtMachine;
}

const secret = (
  owner: string,
  record = recordOf(machine(OLD, OLD), MADE),
): Pick<ObjectMeta, 'annotations' | 'ownerReferences'> => ({
  ownerReferences: [
    { apiVersion: 'x/v1', kind: 'LibvirtMachine', name: 'web', uid: owner, controller: true },
  ],
  ...(record !== undefined && { annotations: { [RECORD_ANNOTATION]: record } }),
});

describe('a machine is to be taken over', () => {
  it.each([
    ['by an object with a new uid', machine(NEW, OLD), true],
    ['not by the object that it was made for', machine(OLD, OLD), false],
    ['not by one that has no providerID yet', machine(NEW, undefined), false],
    ['not again by the one that did', machine(NEW, OLD, { status: { takenOverBy: NEW } }), false],
    [
      'by one whose status is that of another, restored from a backup',
      machine(NEW, OLD, { status: { ...MADE, takenOverBy: OLD } }),
      true,
    ],
  ])('%s', (_, one, expected) => {
    expect(isToBeTakenOver(one)).toBe(expected);
  });
});

describe('what is kept beside the state', () => {
  it('brings the status back as it was, at the object that owns the state now', () => {
    expect(takeOver(machine(NEW, OLD), secret(NEW))).toEqual({ ...MADE, takenOverBy: NEW });
  });

  it('holds the addresses that pools granted, which the guest still has', () => {
    const claimedAddresses = [
      { interface: 0, claim: 'web-0-0', address: '10.0.0.5/24', gateway: '10.0.0.1' },
    ];
    const record = recordOf(machine(OLD, OLD), { ...MADE, claimedAddresses });
    expect(takeOver(machine(NEW, OLD), secret(NEW, record))).toMatchObject({ claimedAddresses });
  });

  it('is the same after a move, so that nothing is written because of it', () => {
    expect(recordOf(machine(NEW, OLD), { ...MADE, takenOverBy: NEW })).toBe(
      recordOf(machine(OLD, OLD), MADE),
    );
  });

  it.each([
    ['nothing was made', { ...MADE, appliedHash: undefined }],
    ['it has no host', { ...MADE, pinned: undefined }],
  ])('is nothing while %s', (_, status) => {
    expect(recordOf(machine(OLD, OLD), status as MachineProviderStatus)).toBeUndefined();
  });

  it.each([
    ['there is no state', undefined, 'no Secret'],
    ['the state belongs to the original', secret(OLD), 'belongs to another object'],
    [
      'the state belongs to nobody',
      { annotations: secret(NEW).annotations ?? {} },
      'belongs to another object',
    ],
    [
      'the record is of another machine',
      secret(NEW, recordOf(machine(NEW, NEW), MADE)),
      'says nothing of it',
    ],
    ['there is no record', { ownerReferences: secret(NEW).ownerReferences ?? [] }, 'says nothing of it'],
    ['the record is no JSON', secret(NEW, '{'), 'says nothing of it'],
    [
      'the record has other fields',
      secret(NEW, JSON.stringify({ id: OLD, providerStatus: { x: 1 } })),
      'says nothing of it',
    ],
    [
      'the record is too long',
      secret(NEW, JSON.stringify({ id: OLD, providerStatus: {}, x: 'x'.repeat(70_000) })),
      'says nothing of it',
    ],
  ])('is not used where %s', (_, found, why) => {
    expect(takeOver(machine(NEW, OLD), found)).toEqual({ refused: expect.stringContaining(why) });
  });

  const pinned = MADE.pinned as NonNullable<MachineProviderStatus['pinned']>;
  it.each([
    ['another image than the spec', { ...pinned, imageURI: '/other.qcow2' }, '/image.qcow2'],
    [
      'a volume that is no image of ours',
      { ...pinned, base: { pool: 'default', volume: 'secret.qcow2' } },
      '/image.qcow2',
    ],
    ['another source than the spec', { ...pinned, imageSource: '/etc/shadow' }, '/image.qcow2'],
    [
      'another volume than the spec',
      { ...pinned, imageURI: 'volume:default/base', imageSource: undefined },
      'volume:default/base',
    ],
  ])('is refused where it names %s, since it is not checked again later', (_, forged, imageURI) => {
    const record = recordOf(machine(OLD, OLD), { ...MADE, pinned: forged } as MachineProviderStatus);
    const one = machine(NEW, OLD, { spec: { imageURI } });
    expect(takeOver(one, secret(NEW, record))).toEqual({ refused: expect.stringContaining('its image') });
  });
});
