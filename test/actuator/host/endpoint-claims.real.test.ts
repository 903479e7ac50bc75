/** Verifies that clusters which claim endpoints of one range at the same time never share an address. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ClaimRequest, EndpointClaims } from '../../../src/actuator/host/endpoint-claims.ts';
import { addressesIn } from '../../../src/api/infrastructure/endpoint-range.ts';
import { Libvirt } from '../../../src/libvirt/libvirt.ts';
import type { AllowedHost } from '../../../src/system/allowed-host.ts';
import { Lab } from '../../lab/lab.ts';
import type { LibvirtHost } from '../../lab/libvirt-host.ts';
import { virsh } from '../../libvirt/guest.ts';

let lab: Lab;
let host: LibvirtHost;
/** As many controllers, each with a connection of its own. */
let claims: EndpointClaims[];

const uidOf = (number: number) => `00000000-0000-4000-8000-00000000000${number}`;

beforeAll(async () => {
  lab = await Lab.up({ name: 'endpoint-claims' });
  host = lab.hosts[0] as LibvirtHost;
  const file = join(lab.directory, 'lan.xml');
  await writeFile(file, "<network><name>lan</name><forward mode='bridge'/><bridge name='br-lan'/></network>");
  await virsh(host, ['net-define', file]);
  await virsh(host, ['net-start', 'lan']);
  claims = Array.from({ length: 4 }, () => new EndpointClaims(() => new Libvirt({ uri: host.uri })));
}, 300_000);

afterAll(() => lab?.down(), 60_000);

/** Of a bridge: it has no addresses of its own. */
const lan = () => ({ uri: host.uri as AllowedHost, network: 'lan' });

const place = () => ({ uri: host.uri as AllowedHost, network: host.network });

afterEach(async () => {
  for (const number of [0, 1, 2, 3])
    for (const where of [place(), lan()]) await claims[0]?.release(where, uidOf(number));
});

function claim(number: number, more: Partial<ClaimRequest> = {}): Promise<string> {
  return (claims[number] as EndpointClaims).claim({
    uid: uidOf(number),
    places: [place()],
    candidates: addressesIn({ from: '192.168.122.200', to: '192.168.122.201' }),
    isGiven: false,
    inUse: new Set(),
    path: 'spec.controlPlaneEndpointRange',
    nameOf: () => undefined,
    ...more,
  });
}

const dump = (...flags: string[]) => virsh(host, ['net-dumpxml', host.network, ...flags]);

test('of clusters that race for two addresses two have one each, and the others learn that the range is used up', async () => {
  const results = await Promise.allSettled([0, 1, 2, 3].map((number) => claim(number)));
  const given = results.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  expect(given.sort()).toEqual(['192.168.122.200', '192.168.122.201']);
  const refused = results.flatMap((one) => (one.status === 'rejected' ? one.reason : []));
  expect(refused).toHaveLength(2);
  for (const error of refused)
    expect(error).toMatchObject({
      code: 'AddressInUse',
      message: expect.stringContaining('192.168.122.200 to 192.168.122.201'),
    });
});

test('two controllers that claim for one cluster agree', async () => {
  const uid = uidOf(0);
  const [one, other] = await Promise.all([claim(0, { uid }), claim(1, { uid })]);
  expect(other).toBe(one);
  for (const xml of [await dump(), await dump('--inactive')])
    expect(xml.match(/<host .*caplv-endpoint-.*/g)).toHaveLength(1);
});

test('a copy with another uid does not get the address that the first one has, and does once that is released', async () => {
  const address = await claim(0);
  const copy = () => claim(1, { candidates: [address], isGiven: true });
  await expect(copy()).rejects.toMatchObject({
    code: 'AddressInUse',
    message: expect.stringContaining(`LibvirtCluster that is not known here, with uid ${uidOf(0)}`),
  });
  expect(await claim(0, { candidates: [address], isGiven: true })).toBe(address);
  await claims[0]?.release(place(), uidOf(0));
  expect(await copy()).toBe(address);
});

test('a claim that the network lost is made again, and release leaves what others have', async () => {
  const [own, others] = [await claim(0), await claim(1)];
  const entry = `<host ip='${own}'/>`;
  await virsh(host, ['net-update', host.network, 'delete', 'ip-dhcp-host', entry, '--live', '--config']);
  expect(await claim(0, { candidates: [own], isGiven: true })).toBe(own);
  expect(await dump('--inactive')).toContain(`ip='${own}'`);
  await claims[0]?.release(place(), uidOf(0));
  await claims[0]?.release(place(), uidOf(0));
  expect(await dump()).not.toContain(uidOf(0));
  expect(await dump('--inactive')).toContain(`ip='${others}'`);
});

test('a range outside of the network is refused for good', async () => {
  await expect(claim(0, { candidates: ['10.9.9.9'] })).rejects.toMatchObject({
    code: 'InvalidConfiguration',
    message: expect.stringContaining('lies outside of network'),
  });
});

test('a LibvirtCluster that moved to another management cluster takes over its address in one step', async () => {
  const ip = await claim(0);
  const given = { candidates: [ip], isGiven: true };
  await expect(claim(1, given)).rejects.toMatchObject({ code: 'AddressInUse' });
  await claims[1]?.takeOver(place(), uidOf(0), uidOf(1));
  await claims[1]?.takeOver(place(), uidOf(0), uidOf(1));
  for (const flags of [[], ['--inactive']]) {
    const names = (await dump(...flags)).match(/caplv-endpoint-[^']+/g);
    expect(names).toEqual([`caplv-endpoint-${uidOf(1)}`]);
  }
  expect(await claim(1, given)).toBe(ip);
  await expect(claim(0, given)).rejects.toMatchObject({ code: 'AddressInUse' });
});

test('in the network of a bridge no two clusters get one address either, and a release leaves nothing', async () => {
  const places = [lan()];
  const results = await Promise.allSettled([0, 1, 2, 3].map((number) => claim(number, { places })));
  const given = results.flatMap((one, number) => (one.status === 'fulfilled' ? [[number, one.value]] : []));
  expect(given.map(([, ip]) => ip).sort()).toEqual(['192.168.122.200', '192.168.122.201']);
  const [[winner = 0, ip = ''] = []] = given as [number, string][];
  const copy = { places, candidates: [ip], isGiven: true };
  expect(await claim(winner, copy)).toBe(ip);
  const late = (winner + 1) % 4;
  await expect(claim(late, copy)).rejects.toMatchObject({
    code: 'AddressInUse',
    message: expect.stringContaining(uidOf(winner)),
    fix: expect.stringContaining(
      `delete portgroup "<portgroup name='caplv-endpoint-${ip}'/>" --live --config`,
    ),
  });
  await claims[0]?.release(lan(), uidOf(late));
  await claims[0]?.takeOver(lan(), uidOf(winner), uidOf(late));
  expect(await claim(late, copy)).toBe(ip);
  for (const number of [0, 1, 2, 3]) await claims[0]?.release(lan(), uidOf(number));
  for (const flags of [[], ['--inactive']])
    expect(await virsh(host, ['net-dumpxml', 'lan', ...flags])).not.toContain('portgroup');
});
