import { once } from 'node:events';
import { afterEach, expect, it, vi } from 'vitest';
import { HostWatches } from '../../../src/controllers/shared/host-watches.ts';
import type { DomainEvent } from '../../../src/libvirt/events.ts';
import type { Libvirt } from '../../../src/libvirt/libvirt.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';

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

it('a host that answers is watched for as long as Machines are on it, and then let go of with all that is kept for it', async () => {
  const { libvirt, ended } = hosts();
  const unused: string[] = [];
  const used = new Set(['a', 'b']);
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
  for (const uri of ['a', 'b', 'c']) watches.domain(uri, 'default.web');
  await vi.waitFor(() => expect(unused).toEqual(['c']));
  used.delete('a');
  await vi.waitFor(() => expect(unused).toEqual(['c', 'a']));
  await vi.waitFor(() => expect(ended).toEqual(['c', 'a']));
  expect(watches.seen.map(({ uri }) => uri)).toEqual(['b']);
  // Asked for again, it is watched again.
  watches.domain('a', 'default.web');
  expect(watches.seen.map(({ uri }) => uri)).toEqual(['b', 'a']);
  stop.abort();
  await running;
});
