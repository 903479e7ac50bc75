/** Verifies which objects on a host are orphans, and which of them may be adopted or removed. */

import { describe, expect, it } from 'vitest';
import {
  type ClusterView,
  type ExistingMachine,
  findOrphans,
} from '../../../src/controllers/orphans/classify.ts';
import {
  domainName,
  imageVolumeName,
  infrastructureKey,
  ownershipMark,
  volumeName,
} from '../../../src/intent/names.ts';
import { parseDomain } from '../../../src/libvirt/domain.ts';
import type { HostInventory } from '../../../src/libvirt/inventory.ts';

const HERE = '1b9d6bcd-0000-4000-8000-00000000aaaa';
const THERE = '2b9d6bcd-0000-4000-8000-00000000bbbb';
const web = { namespace: 'default', name: 'web', uid: '5e6a1f2c-0000-4000-8000-000000000001' };
const earlier = { ...web, uid: '6f6a1f2c-0000-4000-8000-000000000002' };
const ROOT = volumeName(web, 'root.qcow2');
const SEED = volumeName(web, 'seed.iso-a181195e67172622');
const UUID = '361257ec-14cd-4fbd-ada0-05a4f9ed6ffd';

function domain(description: string, { name = 'default.web', disks = [ROOT] as readonly string[] } = {}) {
  const devices = disks.map((disk) => `<disk><source file="/pool/${disk}"/></disk>`).join('');
  return parseDomain(
    `<domain><name>${name}</name><uuid>${UUID}</uuid><description>${description}</description>` +
      `<devices>${devices}</devices></domain>`,
  );
}

function host(domains: HostInventory['domains'], volumes: readonly string[] = []): HostInventory {
  const listed = volumes.map((name) => ({ pool: 'default', name, path: `/pool/${name}` }));
  return { domains, unreadable: [], volumes: listed, reservations: [] };
}

const URI = 'qemu:///system';
const ELSEWHERE = 'qemu+ssh://root@elsewhere/system';
const living: ExistingMachine = { ...web, isSettled: true, uri: URI };
const whole = { domains: new Set([UUID]), volumes: new Set([ROOT, SEED]) };
const nothing = { domains: new Set<string>(), volumes: new Set<string>() };

async function actions(inventory: HostInventory, known: Partial<ClusterView>): Promise<string[]> {
  const orphans = await findOrphans(inventory, {
    uri: URI,
    installation: HERE,
    machines: [],
    isWatched: () => true,
    states: new Map(),
    host: nothing,
    hasDomain: async () => undefined,
    baseOf: async () => undefined,
    ...known,
  });
  return orphans.map(({ kind, action, why }) => `${action} ${kind}: ${why}`);
}

const stateOf = (known: ClusterView['host']) => new Map([['default/web', known]]);

describe('what a Machine that lives has on its host', () => {
  const mark = ownershipMark(web, HERE);
  const all = host([domain(mark)], [ROOT, SEED]);

  it('is no orphan while its state knows it, and adopted when it does not', async () => {
    expect(await actions(all, { machines: [living], states: stateOf(whole) })).toEqual([]);
    const why = 'its Machine exists, and its state does not track it';
    expect(await actions(all, { machines: [living] })).toEqual([
      `adopt domain: ${why}`,
      `adopt volume: ${why}`,
      `adopt volume: ${why}`,
    ]);
    const partly = stateOf({ ...whole, domains: new Set() });
    expect(await actions(all, { machines: [living], states: partly })).toEqual([`adopt domain: ${why}`]);
  });

  it('is not touched while it is being created or deleted, nor while its state cannot be read', async () => {
    expect(await actions(all, { machines: [{ ...living, isSettled: false }] })).toEqual([]);
    expect(await actions(all, { machines: [living], states: stateOf('corrupt') })).toEqual([]);
  });

  it('is reported on a host to which it was moved, and never adopted there', async () => {
    const moved = { machines: [{ ...living, uri: ELSEWHERE }], hasDomain: async () => false };
    const why = `its Machine belongs on ${ELSEWHERE}: move it back there, or undefine it here and it is made again there`;
    for (const states of [stateOf(whole), stateOf({ ...whole, domains: new Set() })]) {
      expect(await actions(all, { ...moved, states })).toEqual([`keep domain: ${why}`]);
    }
  });

  it('is reported on its own host only, where that has two URIs, does not answer, or shares its storage', async () => {
    const machines = [{ ...living, uri: ELSEWHERE }];
    for (const has of [true, undefined]) {
      expect(await actions(all, { machines, hasDomain: async () => has })).toEqual([]);
    }
    expect(await actions(host([], [ROOT, SEED]), { machines, hasDomain: async () => false })).toEqual([]);
  });

  it('is removed only if it is an earlier seed without a user; a disk is kept', async () => {
    const data = volumeName(web, 'disk-data.qcow2');
    const old = volumeName(web, 'seed.iso-0000000000000000');
    const more = host([domain(mark)], [ROOT, SEED, data, old]);
    expect(await actions(more, { machines: [living], states: stateOf(whole) })).toEqual([
      'keep volume: its Machine does not name it; its data may be needed',
      'remove volume: an earlier seed that no domain uses',
    ]);
  });
});

describe('what a Machine that is gone has left', () => {
  const gone = 'its Machine is gone';
  const unproven = 'nothing proves that this installation created it';

  it('is kept where it is a LibvirtMachine: clusterctl move takes object and state away in the same manner', async () => {
    const moved = { ...infrastructureKey(web), uid: web.uid };
    const root = volumeName(moved, 'root.qcow2');
    const all = host(
      [domain(ownershipMark(moved, HERE), { name: domainName(moved), disks: [root] })],
      [root],
    );
    const why = expect.stringContaining('perhaps to another management cluster by clusterctl move');
    expect((await actions(all, {})).map((action) => action.split(': '))).toEqual([
      ['keep domain', why],
      ['keep volume', why],
    ]);
  });

  it('is not touched in a namespace whose Machines are not watched, and may exist', async () => {
    const all = host([domain(ownershipMark(web, HERE))], [ROOT, SEED]);
    const known = { isWatched: (namespace: string) => namespace !== web.namespace };
    expect(await actions(all, known)).toEqual([]);
  });

  it('goes when its mark names this installation, and no other way', async () => {
    const marked = (installation: string | undefined) =>
      host([domain(ownershipMark(web, installation))], [ROOT]);
    expect(await actions(marked(HERE), {})).toEqual([`remove domain: ${gone}`, `remove volume: ${gone}`]);
    expect(await actions(marked(undefined), {})).toEqual([
      `keep domain: ${unproven}`,
      `keep volume: ${unproven}`,
    ]);
    // A machine of another cluster is no orphan.
    expect(await actions(marked(THERE), {})).toEqual([]);
    expect(await actions(marked(THERE), { derivesUid: () => true })).toEqual([]);
  });

  it('goes when its root disk stands on an image that this installation imported, or its uid follows from its name here', async () => {
    const disks = host([], [ROOT, SEED]);
    const removed = [`remove volume: ${gone}`, `remove volume: ${gone}`];
    const baseOf = (installation: string) => ({
      baseOf: async (_: string, name: string) =>
        name === ROOT ? `/pool/${imageVolumeName(installation, 'key', 'debian.qcow2')}` : undefined,
    });
    expect(await actions(disks, baseOf(HERE))).toEqual(removed);
    expect(await actions(disks, baseOf(THERE))).toEqual([
      `keep volume: ${unproven}`,
      `keep volume: ${unproven}`,
    ]);
    const derivesUid: ClusterView['derivesUid'] = (key, start) =>
      key.name === 'web' && web.uid.startsWith(start);
    expect(await actions(disks, { derivesUid })).toEqual(removed);
  });

  it('stays while another domain uses a disk of it, or another Machine has its name', async () => {
    const user = domain('mine', { name: 'mine' });
    const mark = ownershipMark(web, HERE);
    expect(await actions(host([domain(mark), user], [ROOT]), {})).toEqual([
      'keep domain: domain mine uses a disk of it',
      'keep volume: domain mine uses a disk of it',
    ]);
    const namesake = { machines: [{ ...earlier, isSettled: true, uri: URI }] };
    expect(await actions(host([domain(mark)]), namesake)).toEqual([
      'keep domain: belonged to an earlier Machine of that name; another one exists',
    ]);
  });
});

it('a domain without an ownership mark, or with a copied one, is not owned', async () => {
  const mark = ownershipMark(web, HERE);
  expect(await actions(host([domain('caplv machine'), domain(mark, { name: 'copy' })]), {})).toEqual([]);
});

describe('an image in no state', () => {
  const image = imageVolumeName(HERE, 'key', 'debian.qcow2');

  it('is removed when no disk is based on it and no Machine uses it', async () => {
    expect(await actions(host([], [image]), {})).toEqual(['remove image: no disk and no Machine uses it']);
    expect(await actions(host([], [image]), { host: { ...nothing, volumes: new Set([image]) } })).toEqual([]);
    expect(await actions(host([], [image]), { host: 'corrupt' })).toEqual([]);
    const user = { ...living, image: { pool: 'default', volume: image } };
    expect(await actions(host([], [image]), { machines: [user] })).toEqual([
      expect.stringMatching(/^keep image: Machines use it/),
    ]);
    const baseOf = async (_: string, name: string) => (name === 'x' ? `/pool/${image}` : undefined);
    expect(await actions(host([], [image, 'x']), { baseOf })).toEqual(['keep image: disks use it']);
  });

  it('of another installation is not looked at', async () => {
    expect(await actions(host([], [imageVolumeName(THERE, 'key', 'debian.qcow2')]), {})).toEqual([]);
  });
});

it('removes nothing from a host on which the definition of a domain cannot be read, since it may use it', async () => {
  const inventory = { ...host([domain(ownershipMark(web, HERE))], [ROOT]), unreadable: ['odd'] };
  const why = 'the definition of domain odd cannot be read, and may name it';
  expect(await actions(inventory, {})).toEqual([`keep domain: ${why}`, `keep volume: ${why}`]);
  const image = imageVolumeName(HERE, 'https://images/x.qcow2', 'qcow2');
  expect(await actions({ ...host([], [image]), unreadable: ['odd'] }, {})).toEqual([`keep image: ${why}`]);
});
