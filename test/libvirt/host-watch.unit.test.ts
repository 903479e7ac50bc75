import { EventEmitter, on } from 'node:events';
import { expect, it, vi } from 'vitest';
import type { DomainObservation } from '../../src/libvirt/domain.ts';
import type { DomainEvent } from '../../src/libvirt/events.ts';
import { HostWatch } from '../../src/libvirt/host-watch.ts';

const observed = (state: 'shutoff' | 'running') =>
  ({ name: 'there', state, addresses: [{}] }) as unknown as DomainObservation;

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
  const begun = (count: number) => vi.waitFor(() => expect(sweeps.length).toBeGreaterThanOrEqual(count));

  await begun(1);
  sweeps[0]?.resolve([observed('shutoff')]);
  await vi.waitFor(() => expect(watch.domain('there')?.state).toBe('shutoff'));

  emitter.emit('event', { kind: 'lifecycle', domain: 'there', change: 'started' });
  await vi.waitFor(() => expect(watch.domain('there')).toBeUndefined());
  // One that was under way saw it as it was before.
  const next = sweeps.length + 1;
  sweeps.at(-1)?.resolve([observed('shutoff')]);
  await begun(next);
  expect(watch.domain('there')).toBeUndefined();
  sweeps[next - 1]?.resolve([observed('running')]);
  await vi.waitFor(() => expect(watch.domain('there')?.state).toBe('running'));

  stop.abort();
  for (const sweep of sweeps) sweep.resolve([]);
  await running;
});
