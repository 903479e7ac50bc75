/** Verifies how the controller waits for the addresses of guests. */

import { expect, it, type TestContext, vi } from 'vitest';
import { AddressWatch } from '../../../../src/controllers/machine/waits/address-watch.ts';
import type { Guest } from '../../../../src/controllers/machine/waits/guest-addresses.ts';
import { Libvirt } from '../../../../src/libvirt/libvirt.ts';
import { hostAt } from '../../../lab/host-uri.ts';
import { capturedLog } from '../../../telemetry/log-lines.ts';
import { StandInVirsh } from '../../stand-in-virsh.ts';
import { key } from '../../world.ts';

const URI = hostAt('test:///default');
const soon = { timeout: 20_000, interval: 20 };
const mac = (number: number) => `52:54:00:00:00:${number + 10}`;

/** A host, and what watches it: of each test its own, since they wait side by side. */
class Watched {
  readonly virsh: StandInVirsh;
  readonly told: string[] = [];
  readonly gone = new Set<string>();
  readonly watch: AddressWatch;
  readonly calls = async () => (await this.virsh.calls()).length;

  private constructor(virsh: StandInVirsh) {
    this.virsh = virsh;
    const libvirt = new Libvirt({ uri: URI, virsh: virsh.program });
    this.watch = new AddressWatch({
      libvirt: () => libvirt,
      log: capturedLog().log,
      onAddress: ({ name }) => this.told.push(name),
      isWanted: ({ name }) => !this.gone.has(name),
      unreachableMs: 600,
    });
  }

  static async begin({ onTestFinished }: TestContext): Promise<Watched> {
    const watched = new Watched(await StandInVirsh.make(onTestFinished));
    const stop = new AbortController();
    const running = watched.watch.run(stop.signal);
    onTestFinished(async () => {
      stop.abort();
      await running;
    });
    return watched;
  }

  /** Two more, of which the last began after now. */
  async looks(): Promise<void> {
    const before = await this.calls();
    await vi.waitFor(async () => expect(await this.calls()).toBeGreaterThanOrEqual(before + 2), soon);
  }

  /** Nobody looks any more: what was begun has ended, and nothing new is. */
  async untilQuiet(): Promise<void> {
    let before = -1;
    const isQuiet = async () => {
      const [now, last] = [await this.calls(), before];
      before = now;
      expect(now).toBe(last);
    };
    await vi.waitFor(isQuiet, { timeout: 20_000, interval: 1_500 });
  }
}

function guest(number: number, network = 'default', more: Partial<Guest> = {}): Guest {
  const interfaces = [{ mac: mac(number), type: 'network', network }];
  return {
    uri: URI,
    domain: `default.guest-${number}`,
    interfaces,
    sources: [],
    sinceMs: Date.now(),
    ...more,
  };
}

it.concurrent('reads leases once for all guests that wait, in all networks, and reports each that has an address', async (context) => {
  const watched = await Watched.begin(context);
  const { virsh, told, watch } = watched;
  watch.await(key('a'), guest(1));
  watch.await(key('b'), guest(2));
  watch.await(key('c'), guest(3, 'other'));
  await watched.looks();
  expect(told).toEqual([]);
  expect(new Set(await virsh.calls())).toEqual(
    new Set(['net-dhcp-leases --network=default; net-dhcp-leases --network=other']),
  );
  await virsh.lease('default', mac(2), '192.168.122.2');
  await vi.waitFor(() => expect(told).toEqual(['b']), soon);
  await virsh.lease('other', mac(3), '192.168.123.3');
  await vi.waitFor(() => expect(told).toEqual(['b', 'c']), soon);
  await watched.looks();
  expect(told).toEqual(['b', 'c']);
});

it.concurrent('reads nothing when no guest waits', async (context) => {
  const watched = await Watched.begin(context);
  const { virsh, told, gone, watch } = watched;
  watch.await(key('told'), guest(1));
  watch.await(key('gone'), guest(2));
  watch.await(key('stopped'), guest(3));
  await watched.looks();
  await virsh.lease('default', mac(1), '192.168.122.1');
  gone.add('gone');
  watch.await(key('stopped'), undefined);
  await vi.waitFor(() => expect(told).toEqual(['told']), soon);
  await watched.untilQuiet();
  watch.await(key('later'), guest(4));
  await virsh.lease('default', mac(4), '192.168.122.4');
  await vi.waitFor(() => expect(told).toEqual(['told', 'later']), soon);
});

it.concurrent('ignores the leases of other networks, since a MAC address may have moved', async (context) => {
  const watched = await Watched.begin(context);
  const { virsh, told, watch } = watched;
  watch.await(key('a'), guest(1, 'new'));
  watch.await(key('b'), guest(2, 'old'));
  await virsh.lease('old', mac(1), '192.168.122.1');
  await watched.looks();
  expect(told).toEqual([]);
});

it.concurrent('asks the agent of each guest that has one, and reads the leases', async (context) => {
  const watched = await Watched.begin(context);
  const { virsh, told, watch } = watched;
  watch.await(key('a'), guest(1, 'default', { sources: ['agent'] }));
  watch.await(key('b'), guest(2));
  await watched.looks();
  expect(told).toEqual([]);
  await virsh.addressOf('default.guest-1', '52:54:00:00:00:11', '10.0.0.1');
  await vi.waitFor(() => expect(told).toEqual(['a']), soon);
  const asked = (await virsh.calls()).filter((call) => call.startsWith('domiflist'));
  expect(new Set(asked)).toEqual(
    new Set(['domiflist --domain=default.guest-1; domifaddr --domain=default.guest-1 --full --source=agent']),
  );
});

it.concurrent('reads rarely for a guest that has waited for long, and often again when another guest boots', async (context) => {
  const watched = await Watched.begin(context);
  const { virsh, told, watch, calls } = watched;
  watch.await(key('old'), guest(1, 'default', { sinceMs: Date.now() - 700_000 }));
  await watched.untilQuiet();
  expect(await calls()).toBe(0);
  watch.await(key('new'), guest(2));
  await virsh.lease('default', mac(1), '192.168.122.1');
  await vi.waitFor(() => expect(told).toEqual(['old']), soon);
});

it.concurrent('continues when the host is back', async (context) => {
  const { virsh, told, watch, calls } = await Watched.begin(context);
  await virsh.setDown(true);
  watch.await(key('a'), guest(1));
  await vi.waitFor(async () => expect(await calls()).toBeGreaterThan(0), soon);
  await virsh.lease('default', mac(1), '192.168.122.1');
  await virsh.setDown(false);
  await vi.waitFor(() => expect(told).toEqual(['a']), soon);
});

it.concurrent('ignores leases from before the domain was created, and addresses that are already known', async (context) => {
  const watched = await Watched.begin(context);
  const { virsh, told, watch } = watched;
  await virsh.lease('default', mac(1), '192.168.122.21');
  await virsh.lease('default', mac(2), '192.168.122.22');
  watch.await(key('a'), guest(1, 'default', { leasesBefore: ['192.168.122.21 2099-11-23T15:15:34.000Z'] }));
  watch.await(key('b'), guest(2, 'default', { known: ['192.168.122.22'] }));
  await watched.looks();
  expect(told).toEqual([]);
  watch.await(key('a'), guest(1, 'default', { leasesBefore: ['192.168.122.21 2099-11-23T14:00:00.000Z'] }));
  await virsh.lease('default', mac(2), '192.168.122.23');
  await vi.waitFor(() => expect([...told].sort()).toEqual(['a', 'b']), soon);
});
