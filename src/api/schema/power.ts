/** Annotations of a machine about its power: to be off while one is there, to restart once, and that changes may restart it. */

import type { KubeObject } from '../../apimachinery/object.ts';
import { GROUP } from './group.ts';

type Annotated = Pick<KubeObject, 'metadata'>;

/** Keeps the guest off while it is there, whatever `running` of the spec says. `caplv stop` writes the time. */
export const STOPPED_ANNOTATION = `${GROUP}/stopped`;

/** Each new value asks for one restart of the guest. `caplv reboot` writes the time. */
export const REBOOT_ANNOTATION = `${GROUP}/reboot`;

/** Lets changes of the machine run that restart its guest and lose nothing, for as long as it is there. */
export const ALLOW_RESTART_ANNOTATION = `${GROUP}/allow-restart`;

/** True for a machine whose changes may restart its guest, as far as its disks stay. */
export function allowsRestart({ metadata }: Annotated): boolean {
  const value = metadata.annotations?.[ALLOW_RESTART_ANNOTATION];
  return value !== undefined && value !== 'false';
}

/** What an annotation asks for. */
export interface PowerRequest {
  /** The value as it was written: another one is another request. */
  readonly value: string;
  /** Power the guest off in place of asking it to shut down: the value begins with `force`. */
  readonly isForced: boolean;
}

/** Returns the request to be off; undefined: the spec decides. */
export function stopRequest(object: Annotated): PowerRequest | undefined {
  return requestIn(object, STOPPED_ANNOTATION);
}

/** Returns the last request to restart, whether it was carried out or not. */
export function rebootRequest(object: Annotated): PowerRequest | undefined {
  return requestIn(object, REBOOT_ANNOTATION);
}

/** Builds a value that no other request has. `now`: RFC 3339. */
export function powerRequestValue(now: string, isForced: boolean): string {
  return isForced ? `force ${now}` : now;
}

function requestIn({ metadata }: Annotated, annotation: string): PowerRequest | undefined {
  const value = metadata.annotations?.[annotation];
  return value === undefined ? undefined : { value, isForced: /^force\b/i.test(value) };
}
