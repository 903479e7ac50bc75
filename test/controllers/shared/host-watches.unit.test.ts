/** Verifies that hosts are watched while Machines are on them. */

import { once } from 'node:events';
import { afterEach, expect, it, vi } from 'vitest';
import { HostWatches } from '../../../src/controllers/shared/host-watches.ts';
import type { DomainEvent } from '../../../src/libvirt/events.ts';
import type { Libvirt } from '../../../src/libvirt/libvirt.ts';
import { LibvirtError } from '../../../src/libvirt/libvirt-error.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { hostAt } from '../../lab/host-uri.ts';

const soon = { timeout: 10_000, interval: 20 };

const [A, B, C] = [
  hostAt('qemu+ssh://a/system'),
  hostAt('qemu+ssh://b/system'),
  hostAt('qemu+ssh://c/system'),
];
const stop = new AbortController();

afterEach(() => stop.abort());

/** Hosts that answer, and of which `ended` tells when their watch has ended. */
function hosts() {
  const ended: string[] = [];
  const libvirt = (uri: string) =>
    ({
      uri,
      domains: async () => [],
      async *events(signal: AbortSignal) {
        yield { kind: 'connected' } as DomainEvent;
        if (!signal.aborted) await once(signal, 'abort');
        ended.push(uri);
      },
    }) as unknown as Libvirt;
  return { libvirt, ended };
}

it('a host is watched as long as Machines are on it, and then forgotten with its connections', async () => {
  const { libvirt, ended } = hosts();
  const unused: string[] = [];
  const used = new Set([A, B]);
  const watches = new HostWatches({
    libvirt,
    log: silentLogger,
    onChange: () => {},
    isWanted: () => false,
    domainsOn: (uri) => (used.has(uri) ? ['default.web'] : []),
    onUnused: (uri) => unused.push(uri),
    idleMs: 10,
  });
  const running = watches.run(stop.signal);
  for (const uri of [A, B, C]) watches.domain(uri, 'default.web');
  await vi.waitFor(() => expect(unused).toEqual([C]), soon);
  used.delete(A);
  await vi.waitFor(() => expect(unused).toEqual([C, A]), soon);
  await vi.waitFor(() => expect(ended).toEqual([C, A]), soon);
  expect(watches.seen.map(({ uri }) => uri)).toEqual([B]);
  // Asked for again, it is watched again.
  watches.domain(A, 'default.web');
  expect(watches.seen.map(({ uri }) => uri)).toEqual([B, A]);
  stop.abort();
  await running;
});

it('its Machines are told that a host is back, and not only that something changed: what failed meanwhile passes its back-off', async () => {
  const { promise: back, resolve: comeBack } = Promise.withResolvers<void>();
  const stopped = new AbortController();
  const libvirt = (uri: string) =>
    ({
      uri,
      domains: async () => [],
      async *events(signal: AbortSignal) {
        const error = new LibvirtError({
          code: 'unreachable',
          uri,
          command: '',
          message: 'gone',
          stderr: '',
        });
        yield { kind: 'disconnected', error, retryInMs: 1 } as DomainEvent;
        await back;
        yield { kind: 'connected' } as DomainEvent;
        if (!signal.aborted) await once(signal, 'abort');
      },
    }) as unknown as Libvirt;
  const told: [domain: string, isBack: boolean][] = [];
  const watches = new HostWatches({
    libvirt,
    log: silentLogger,
    onChange: (...change) => told.push(change),
    isWanted: () => true,
    domainsOn: () => ['default.web'],
  });
  const running = watches.run(stopped.signal);
  watches.domain(A, 'default.web');
  await vi.waitFor(() => expect(told).toEqual([['default.web', false]]));
  comeBack();
  await vi.waitFor(() => expect(told.at(-1)).toEqual(['default.web', true]));
  stopped.abort();
  await running;
});
