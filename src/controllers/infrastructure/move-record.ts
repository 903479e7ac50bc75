/**
 * What `clusterctl move` does not take along of a LibvirtMachine is its status; so what of it no other place knows is kept beside the
 * state, and goes along with that. Pure.
 */

import * as z from 'zod';
import type { LibvirtMachine } from '../../api/infrastructure/libvirt-machine.ts';
import { type MachineProviderStatus, MachineProviderStatusSchema } from '../../api/kinds/machine.ts';
import { GROUP } from '../../api/schema/group.ts';
import type { ObjectMeta } from '../../apimachinery/object.ts';
import { parseImageURI } from '../../intent/image.ts';
import { instanceIdIn, instanceIdOfObject } from '../../intent/instance-id.ts';
import { isImageVolume } from '../../intent/names.ts';

/** Annotation of the Secret with the state of a LibvirtMachine. */
export const RECORD_ANNOTATION = `caplv.${GROUP}/machine`;

/** Characters; some 2,000 are used. */
const RECORD_CHARACTERS = 65_536;

const recordSchema = z.strictObject({
  /** Instance id of the machine. */
  id: z.string(),
  providerStatus: MachineProviderStatusSchema.pick({
    appliedHash: true,
    host: true,
    pinned: true,
    claimedAddresses: true,
    leasesBefore: true,
    lastRecreated: true,
  }),
});

/** Returns what is to be kept of the status of a machine that was made, as JSON; undefined: it was not made. */
export function recordOf(one: LibvirtMachine, status: MachineProviderStatus = {}): string | undefined {
  const { appliedHash, host, pinned, claimedAddresses, leasesBefore, lastRecreated } = status;
  const id = instanceIdOfObject(one.spec.providerID, one.metadata.uid);
  if (appliedHash === undefined || pinned === undefined || id === undefined) return undefined;
  const kept = { appliedHash, host, pinned, claimedAddresses, leasesBefore, lastRecreated };
  return JSON.stringify({ id, providerStatus: kept });
}

/** Returns true if the machine was made for another object, and this one has not taken it over. */
export function isToBeTakenOver({ metadata, spec, status }: LibvirtMachine): boolean {
  const id = instanceIdIn(spec.providerID);
  if (id === undefined || id === metadata.uid) return false;
  return status?.providerStatus?.takenOverBy !== metadata.uid;
}

/**
 * Returns the status with which an object takes over the machine that `spec.providerID` names, or says why it may not: `secret` is the one
 * with its state. `clusterctl move` makes that Secret again as one of the new object; in a copy from a backup it is another object's, or
 * not there.
 */
export function takeOver(
  { metadata, spec }: LibvirtMachine,
  secret: Pick<ObjectMeta, 'annotations' | 'ownerReferences'> | undefined,
): MachineProviderStatus | { readonly refused: string } {
  if (!secret) return { refused: 'no Secret with its Terraform state is there' };
  if (!secret.ownerReferences?.some(({ uid }) => uid === metadata.uid))
    return { refused: 'the Secret with its Terraform state belongs to another object' };
  const record = readRecord(secret.annotations?.[RECORD_ANNOTATION]);
  if (record === undefined || record.id !== instanceIdIn(spec.providerID))
    return { refused: `the Secret with its Terraform state says nothing of it in ${RECORD_ANNOTATION}` };
  const { providerStatus } = record;
  if (!isOfSpec(providerStatus, spec))
    return {
      refused: `its image is another one than ${RECORD_ANNOTATION} of the Secret with its state says`,
    };
  return { ...providerStatus, ...(metadata.uid !== undefined && { takenOverBy: metadata.uid }) };
}

/** The record is as easily written as any Secret, and what it says of an image is not checked again. */
function isOfSpec({ pinned }: MachineProviderStatus, { imageURI }: LibvirtMachine['spec']): boolean {
  if (pinned?.imageURI !== imageURI) return false;
  const image = parseImageURI(imageURI);
  if (image.kind === 'volume')
    return (
      pinned.imageSource === undefined &&
      pinned.base.pool === image.pool &&
      pinned.base.volume === image.volume
    );
  return pinned.imageSource === image.source && isImageVolume(pinned.base.volume);
}

function readRecord(text: string | undefined): z.output<typeof recordSchema> | undefined {
  if (text === undefined || text.length > RECORD_CHARACTERS) return undefined;
  try {
    return recordSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
