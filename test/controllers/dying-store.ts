/** Plays the store of a process that dies: after some writes, every request fails. */

import type { Store } from '../../src/store/store.ts';

export class ProcessDied extends Error {}

const WRITES: readonly PropertyKey[] = [
  'create',
  'update',
  'setFinalizers',
  'apply',
  'applyStatus',
  'delete',
];

export function dyingStore(store: Store, writes: number): Store {
  let left = writes;
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]) => {
        if (WRITES.includes(name) && left-- <= 0) throw new ProcessDied();
        return Reflect.apply(member, target, given);
      };
    },
  });
}
