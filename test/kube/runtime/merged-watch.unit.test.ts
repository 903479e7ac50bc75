/** Verifies that watches of several namespaces become one stream of events. */

import { expect, it } from 'vitest';
import type { KubeObject } from '../../../src/apimachinery/object.ts';
import { mergeWatches } from '../../../src/kube/runtime/merged-watch.ts';
import type { WatchEvent } from '../../../src/store/store.ts';

type Event = WatchEvent<KubeObject>;

function added(name: string): Event {
  return { type: 'ADDED', object: { apiVersion: 'v1', kind: 'Widget', metadata: { name } } };
}

const SYNCED: Event = { type: 'SYNCED' };
const shown = (event: Event) => (event.type === 'SYNCED' ? 'SYNCED' : event.object.metadata.name);

async function* watch(events: readonly Event[], until?: Promise<unknown>): AsyncGenerator<Event> {
  yield* events;
  await until;
}

async function read(...watches: AsyncIterable<Event>[]): Promise<string[]> {
  const all: string[] = [];
  for await (const event of mergeWatches(watches)) all.push(shown(event));
  return all;
}

it('everything of all namespaces is delivered, and known before it says so', async () => {
  const all = await read(
    watch([added('a'), SYNCED, added('a2')]),
    watch([added('b'), added('b2'), SYNCED, added('b3')]),
  );
  expect([...all].sort()).toEqual(['SYNCED', 'a', 'a2', 'b', 'b2', 'b3'].sort());
  const synced = all.indexOf('SYNCED');
  for (const name of ['a', 'b', 'b2']) expect(all.indexOf(name)).toBeLessThan(synced);
});

it('one that has not listed yet keeps back that all is known, and not the events of the others', async () => {
  const late = Promise.withResolvers<void>();
  async function* slow(): AsyncGenerator<Event> {
    await late.promise;
    yield SYNCED;
  }
  const merged = mergeWatches<KubeObject>([watch([added('a'), SYNCED, added('later')]), slow()]);
  expect(shown((await merged.next()).value)).toBe('a');
  expect(shown((await merged.next()).value)).toBe('later');
  late.resolve();
  expect(shown((await merged.next()).value)).toBe('SYNCED');
  expect(await merged.next()).toMatchObject({ done: true });
});

it('more events than are kept wait for their reader, and none is lost', async () => {
  const names = Array.from({ length: 5_000 }, (_, index) => `w-${index}`);
  expect(await read(watch([...names.map(added), SYNCED]))).toEqual([...names, 'SYNCED']);
});

it('what one of them throws is thrown, after what came before', async () => {
  async function* broken(): AsyncGenerator<Event> {
    yield added('a');
    throw new Error('gone');
  }
  const merged = mergeWatches<KubeObject>([broken(), watch([], new Promise(() => {}))]);
  expect(shown((await merged.next()).value)).toBe('a');
  await expect(merged.next()).rejects.toThrow('gone');
});
