/** How kinds are called. Apart from their schemas, of which not everybody who names a kind has need: they take 30 ms to load. */

import type { ResourceKind } from '../../apimachinery/object.ts';
import { GROUP, VERSION } from '../schema/group.ts';

/** Names of a kind in commands. */
export interface KindNames {
  readonly plural: string;
  /** Name for one object, for example `machine`. */
  readonly singular: string;
  readonly shortNames: readonly string[];
}

export const MACHINE: ResourceKind & KindNames = {
  group: GROUP,
  version: VERSION,
  kind: 'Machine',
  plural: 'machines',
  singular: 'machine',
  shortNames: ['ma'],
  namespaced: true,
};

/** Whether a person who writes `name` means this kind: `machine`, `machines`, `ma`, `machines.cluster-api.k8s.io`, in any case. */
export function isCalled(
  { singular, plural, shortNames, group }: KindNames & Pick<ResourceKind, 'group'>,
  name: string,
): boolean {
  const names = [singular, plural, ...shortNames, `${singular}.${group}`, `${plural}.${group}`];
  return names.includes(name.toLowerCase());
}
