import { afterEach, beforeEach, expect, it } from 'vitest';
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

let virsh: StandInVirsh;
let told: string[];
let gone: Set<string>;
let stop: AbortController;
let watch: AddressWatch;
let running: Promise<void>;

beforeEach(async () => {
  virsh = await StandInVirsh.make();
  told = [];
  gone = new Set();
  stop = new AbortController();
  const libvirt = new Libvirt({ uri: URI, virsh: virsh.program });
  watch = new AddressWatch({
    libvirt: () => libvirt,
    log: capturedLog().log,
    onAddress: ({ name }) => told.push(name),
    isWanted: ({ name }) => !gone.has(name),
  });
  running = watch.run(stop.signal);
  return async () => {
    stop.abort();
    await running;
  };
});

afterEach(() => stop.abort());

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

const calls = async () => (await virsh.calls()).length;
/** Two more, of which the last began after now. */
async function looks(): Promise<void> {
  const before = await calls();
  await expect.poll(calls, soon).toBeGreaterThanOrEqual(before + 2);
}
/** Nobody looks any more: what was begun has ended, and nothing new is. */
async function untilQuiet(): Promise<void> {
  let before = -1;
  await expect
    .poll(
      async () => {
        const now = await calls();
        const isQuiet = now === before;
        before = now;
        return isQuiet;
      },
      { timeout: 20_000, interval: 1_500 },
    )
    .toBe(true);
}

it('looks once for all that wait, in whatever network, and tells of each when it has an address', async () => {
  watch.await(key('a'), guest(1));
  watch.await(key('b'), guest(2));
  watch.await(key('c'), guest(3, 'other'));
  await looks();
  expect(told).toEqual([]);
  expect(new Set(await virsh.calls())).toEqual(
    new Set(['net-dhcp-leases --network=default; net-dhcp-leases --network=other']),
  );
  await virsh.lease('default', mac(2), '192.168.122.2');
  await expect.poll(() => told, soon).toEqual(['b']);
  await virsh.lease('other', mac(3), '192.168.123.3');
  await expect.poll(() => told, soon).toEqual(['b', 'c']);
  await looks();
  expect(told).toEqual(['b', 'c']);
});

it('asks nobody when no guest waits: told, gone, or no longer meant to have an address', async () => {
  watch.await(key('told'), guest(1));
  watch.await(key('gone'), guest(2));
  watch.await(key('stopped'), guest(3));
  await looks();
  await virsh.lease('default', mac(1), '192.168.122.1');
  gone.add('gone');
  watch.await(key('stopped'), undefined);
  await expect.poll(() => told, soon).toEqual(['told']);
  await untilQuiet();
  watch.await(key('later'), guest(4));
  await virsh.lease('default', mac(4), '192.168.122.4');
  await expect.poll(() => told, soon).toEqual(['told', 'later']);
});

it('takes no lease of another network for its own: a MAC address may have moved', async () => {
  watch.await(key('a'), guest(1, 'new'));
  watch.await(key('b'), guest(2, 'old'));
  await virsh.lease('old', mac(1), '192.168.122.1');
  await looks();
  expect(told).toEqual([]);
});

it('asks an agent for each guest that has one, beside the leases', async () => {
  watch.await(key('a'), guest(1, 'default', { sources: ['agent'] }));
  watch.await(key('b'), guest(2));
  await looks();
  expect(told).toEqual([]);
  await virsh.addressOf('default.guest-1', '52:54:00:00:00:11', '10.0.0.1');
  await expect.poll(() => told, soon).toEqual(['a']);
  const asked = (await virsh.calls()).filter((call) => call.startsWith('domiflist'));
  expect(new Set(asked)).toEqual(
    new Set(['domiflist --domain=default.guest-1; domifaddr --domain=default.guest-1 --full --source=agent']),
  );
});

it('looks rarely for a guest that has waited for long, and often again once another boots', async () => {
  watch.await(key('old'), guest(1, 'default', { sinceMs: Date.now() - 700_000 }));
  await untilQuiet();
  expect(await calls()).toBe(0);
  watch.await(key('new'), guest(2));
  await virsh.lease('default', mac(1), '192.168.122.1');
  await expect.poll(() => told, soon).toEqual(['old']);
});

it('goes on when the host is back', async () => {
  await virsh.setDown(true);
  watch.await(key('a'), guest(1));
  await expect.poll(calls, soon).toBeGreaterThan(0);
  await virsh.lease('default', mac(1), '192.168.122.1');
  await virsh.setDown(false);
  await expect.poll(() => told, soon).toEqual(['a']);
});

it('takes no lease from before the domain was made for its own, nor an address that is known already', async () => {
  await virsh.lease('default', mac(1), '192.168.122.21');
  await virsh.lease('default', mac(2), '192.168.122.22');
  watch.await(key('a'), guest(1, 'default', { leasesBefore: ['192.168.122.21 2099-11-23T15:15:34.000Z'] }));
  watch.await(key('b'), guest(2, 'default', { known: ['192.168.122.22'] }));
  await looks();
  expect(told).toEqual([]);
  watch.await(key('a'), guest(1, 'default', { leasesBefore: ['192.168.122.21 2099-11-23T14:00:00.000Z'] }));
  await virsh.lease('default', mac(2), '192.168.122.23');
  await expect.poll(() => [...told].sort(), soon).toEqual(['a', 'b']);
});
