/** Verifies that the watch of a host continues after errors, and knows which domains are current. */

import { EventEmitter, on, once } from 'node:events';
import { expect, it, vi } from 'vitest';
import type { DomainObservation } from '../../src/libvirt/domain.ts';
import type { ObserveOptions } from '../../src/libvirt/domain-query.ts';
import type { DomainEvent } from '../../src/libvirt/events.ts';
import { HostWatch } from '../../src/libvirt/host-watch.ts';
import { LibvirtError } from '../../src/libvirt/libvirt-error.ts';

const soon = { timeout: 10_000, interval: 20 };

const observed = (state: 'shutoff' | 'running') =>
  ({ name: 'there', state, addresses: [{}] }) as unknown as DomainObservation;

const unreadable = new LibvirtError({ code: 'other', uri: 'test', command: 'dumpxml', message: 'odd' });

async function* connected(signal: AbortSignal) {
  yield { kind: 'connected' } as DomainEvent;
  await once(signal, 'abort');
}

it('goes on when a domain cannot be read: it is named once, and known to be there', async () => {
  const stop = new AbortController();
  const errors: unknown[] = [];
  let sweeps = 0;
  const libvirt = {
    events: connected,
    domains: async ({ onUnreadable }: ObserveOptions = {}) => {
      sweeps += 1;
      onUnreadable?.(unreadable, 'odd');
      return [observed('shutoff')];
    },
  };
  const onError = (error: unknown) => errors.push(error);
  const watch = new HostWatch({ libvirt, onChange: () => {}, onConnection: () => {}, onError, sweepMs: 5 });
  const running = watch.run(stop.signal);
  await vi.waitFor(() => expect(sweeps).toBeGreaterThan(2), soon);
  expect([watch.has('odd'), watch.domain('odd'), watch.has('there'), watch.has('gone')]).toEqual([
    true,
    undefined,
    true,
    false,
  ]);
  expect([errors, watch.size, watch.unreadable]).toEqual([[unreadable], 2, 1]);
  stop.abort();
  await running;
});

it('goes on after a sweep that failed for any reason, and reports it', async () => {
  const stop = new AbortController();
  const errors: unknown[] = [];
  const failures = [new TypeError('a bug'), unreadable];
  const libvirt = {
    events: connected,
    domains: async () => {
      const failure = failures.shift();
      if (failure) throw failure;
      return [observed('shutoff')];
    },
  };
  const onError = (error: unknown) => errors.push(error);
  const watch = new HostWatch({ libvirt, onChange: () => {}, onConnection: () => {}, onError, sweepMs: 5 });
  const running = watch.run(stop.signal);
  await vi.waitFor(() => expect(watch.has('there')).toBe(true), soon);
  expect(errors).toEqual([new TypeError('a bug')]);
  stop.abort();
  await running;
});

it('vouches for no domain that has changed, also while a sweep asks what became of it', async () => {
  const emitter = new EventEmitter();
  const stop = new AbortController();
  const sweeps: PromiseWithResolvers<DomainObservation[]>[] = [];
  const libvirt = {
    domains: () => {
      const sweep = Promise.withResolvers<DomainObservation[]>();
      sweeps.push(sweep);
      return sweep.promise;
    },
    async *events(signal: AbortSignal) {
      yield { kind: 'connected' } as DomainEvent;
      try {
        for await (const [event] of on(emitter, 'event', { signal })) yield event as DomainEvent;
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
  };
  const watch = new HostWatch({ libvirt, onChange: () => {}, onConnection: () => {}, sweepMs: 20 });
  const running = watch.run(stop.signal);
  const begun = (count: number) =>
    vi.waitFor(() => expect(sweeps.length).toBeGreaterThanOrEqual(count), soon);

  await begun(1);
  sweeps[0]?.resolve([observed('shutoff')]);
  await vi.waitFor(() => expect(watch.domain('there')?.state).toBe('shutoff'), soon);

  emitter.emit('event', { kind: 'lifecycle', domain: 'there', change: 'started' });
  await vi.waitFor(() => expect(watch.domain('there')).toBeUndefined(), soon);
  // One that was under way saw it as it was before.
  const next = sweeps.length + 1;
  sweeps.at(-1)?.resolve([observed('shutoff')]);
  await begun(next);
  expect(watch.domain('there')).toBeUndefined();
  sweeps[next - 1]?.resolve([observed('running')]);
  await vi.waitFor(() => expect(watch.domain('there')?.state).toBe('running'), soon);

  stop.abort();
  for (const sweep of sweeps) sweep.resolve([]);
  await running;
});
