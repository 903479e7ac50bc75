/** Verifies that tenants, owners and hosts take turns at terraform runs. */

import { expect, it } from 'vitest';
import { withinFlow } from '../../src/system/current-flow.ts';
import { RunSlots } from '../../src/terraform/concurrency.ts';

async function within<T>(slots: RunSlots, key: string, verb: string, work: () => Promise<T>): Promise<T> {
  const leave = await slots.enter(key, verb);
  try {
    return await work();
  } finally {
    leave();
  }
}

/** Runs that end when the test ends them; `begun` in the order in which they got their slot. */
function runsOf(slots: RunSlots) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const start = (name: string, key: string, verb = 'apply') => {
    const { promise, resolve } = Promise.withResolvers<void>();
    ends.set(name, resolve);
    return within(slots, key, verb, () => {
      begun.push(name);
      return promise;
    });
  };
  const end = (name: string) => ends.get(name)?.();
  return { begun, start, end };
}

/** Waits until all pending promises have settled. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('not more processes than the machine can take, and not more on one host', async () => {
  const { begun, start, end } = runsOf(new RunSlots({ total: 3, perKey: 2 }));
  for (const name of ['a1', 'a2', 'a3']) void start(name, 'a');
  void start('b1', 'b');
  void start('b2', 'b');
  await settled();
  expect(begun).toEqual(['a1', 'a2', 'b1']);
  end('b1');
  await settled();
  expect(begun.slice(3)).toEqual(['b2']);
  end('a1');
  await settled();
  expect(begun.slice(4)).toEqual(['a3']);
});

it('a deletion does not wait for all creations that came before it', async () => {
  const { begun, start, end } = runsOf(new RunSlots({ total: 1, perKey: 1 }));
  for (const name of ['c1', 'c2', 'c3', 'c4']) void start(name, 'a');
  void start('d1', 'a', 'destroy');
  for (const name of ['c1', 'c2', 'd1', 'c3']) {
    await settled();
    end(name);
  }
  await settled();
  expect(begun.indexOf('d1')).toBeLessThan(begun.indexOf('c3'));
});

it("a tenant's machine on a healthy host waits for a turn and not for another tenant's burst, on whichever hosts that is", async () => {
  const { begun, start, end } = runsOf(new RunSlots({ total: 1, perKey: 1 }));
  const burst = Array.from({ length: 6 }, (_, i) => `burst-${i}`);
  for (const [i, name] of burst.entries())
    withinFlow({ group: 'busy', name: `owner-${i % 3}` }, () => void start(name, `host-${i % 2}`));
  withinFlow({ group: 'calm', name: '' }, () => void start('calm', 'host-0'));
  for (const name of ['burst-0', 'burst-1', 'calm']) {
    await settled();
    expect(begun.at(-1)).toBe(name);
    end(name);
  }
});

it('the owners of a namespace take turns, and so do hosts; a full host holds up no other', async () => {
  const { begun, start, end } = runsOf(new RunSlots({ total: 2, perKey: 1 }));
  const of = (owner: string, name: string, key: string) =>
    withinFlow({ group: 'one', name: owner }, () => void start(name, key));
  for (const name of ['a1', 'a2', 'a3']) of('a', name, 'first');
  of('b', 'b1', 'first');
  of('a', 'a4', 'second');
  await settled();
  expect(begun).toEqual(['a1', 'a4']);
  for (const name of ['a1', 'a2', 'b1']) {
    await settled();
    expect(begun).toContain(name);
    end(name);
  }
});

it("one tenant's slow image servers leave a place for another's image, on each host and in all", async () => {
  const { begun, start, end } = runsOf(new RunSlots({ total: 6, perKey: 3, leavesLast: true }));
  const transfer = (group: string, name: string, key: string) =>
    withinFlow({ group, name: '' }, () => void start(name, key));
  for (const name of ['s1', 's2', 's3']) transfer('slow', name, 'a');
  for (const name of ['s4', 's5', 's6']) transfer('slow', name, 'b');
  for (const name of ['s7', 's8']) transfer('slow', name, 'c');
  await settled();
  expect(begun).toEqual(['s1', 's2', 's4', 's5', 's7']);
  transfer('other', 'o1', 'a');
  await settled();
  expect(begun.slice(5)).toEqual(['o1']);
  end('s1');
  end('s4');
  await settled();
  expect(begun.slice(6)).toEqual(['s6']);
});

it('runs of no namespace take all places', async () => {
  const { begun, start } = runsOf(new RunSlots({ total: 2, perKey: 2, leavesLast: true }));
  for (const name of ['a1', 'a2']) void start(name, 'a');
  await settled();
  expect(begun).toEqual(['a1', 'a2']);
});

it('a run that fails gives its slot back', async () => {
  const slots = new RunSlots({ total: 1, perKey: 1 });
  await expect(within(slots, 'a', 'apply', () => Promise.reject(new Error('failed')))).rejects.toThrow(
    'failed',
  );
  expect(await within(slots, 'a', 'apply', async () => 'next')).toBe('next');
});
