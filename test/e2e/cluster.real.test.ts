/** Verifies Clusters that create networks and pools, without a Kubernetes cluster. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SlowImage } from '../faults/slow-image.ts';
import { cluster, machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('cluster');

const poolPath = () => join(here().host.directory, 'fujisan');

/** Network and pool that libvirt does not have yet. */
const fujisan = () =>
  cluster('fujisan', {
    network: { name: 'fujisan', mode: 'nat', addresses: ['10.17.3.0/24'], bridge: 'fujisan0' },
    pool: { name: 'fujisan', path: poolPath() },
  });
const first = () => machine('first', { ...here().image, running: true });
const second = () => machine('second', here().image);
const all = () => [second(), first(), fujisan()];

const images = async () =>
  (await here().volumes('fujisan')).filter((volume) => volume.startsWith('caplv-image-'));

describe('a cluster with a network and a pool of its own', () => {
  test('plan assumes that they exist when the machines need them', async () => {
    const { exitCode, stdout } = await here().plan(all());
    expect(stdout).toMatch(/machine\/second: create[\s\S]*machine\/first: create/);
    expect(stdout).toMatch(
      /^host \S+: create\n {2}\+ libvirt_network\.network_fujisan\n {2}\+ libvirt_pool\.pool_fujisan\n/,
    );
    expect(exitCode).toBe(2);
    expect(await here().stateFiles()).toEqual([]);
  });

  test('one apply creates them and the machines, in any order of the manifest', async () => {
    const { exitCode, stdout } = await here().apply(all(), ['--wait=3m']);
    expect(stdout.split('\n').sort()).toEqual([
      'cluster/fujisan created',
      'machine/first created',
      'machine/second created',
    ]);
    expect(exitCode).toBe(0);
    expect(await here().virsh('net-info', 'fujisan')).toMatch(/Active: +yes[\s\S]*Autostart: +yes/);
    expect(await here().virsh('pool-info', 'fujisan')).toMatch(/State: +running/);
    expect(existsSync(poolPath())).toBe(true);
  });

  test('the guest has an address of the network, and get shows cluster and machines', async () => {
    const { status } = await here().machine('first');
    expect(status.addresses[0].address).toMatch(/^10\.17\.3\.\d+$/);
    expect(await here().caplv.read(['get', 'clusters'])).toMatch(/^fujisan +Provisioned/m);
    expect((await here().machine('second')).status).toMatchObject({
      phase: 'Provisioned',
      conditions: expect.arrayContaining([
        expect.objectContaining({ type: 'Ready', status: 'True' }),
        expect.objectContaining({ type: 'AddressesReady', reason: 'NotStarted' }),
      ]),
    });
  });

  test('both machines share one base image', async () => {
    const [image, ...more] = await images();
    expect(more).toEqual([]);
    for (const name of ['first', 'second']) {
      const root = (await here().volumes('fujisan')).find((volume) =>
        new RegExp(`^default\\.${name}\\..*-root\\.qcow2$`).test(volume),
      );
      const xml = await here().virsh('vol-dumpxml', '--pool', 'fujisan', root ?? '');
      expect(xml).toContain(`<path>${poolPath()}/${image}</path>`);
    }
  });

  test('a second apply changes nothing', async () => {
    const { exitCode, stdout, stderr } = await here().apply(all());
    expect({ exitCode, lines: stdout.split('\n').sort() }).toEqual({
      exitCode: 0,
      lines: ['cluster/fujisan unchanged', 'machine/first unchanged', 'machine/second unchanged'],
    });
    expect(stderr).not.toMatch(/created|changed|removed/);
    expect(await here().plan(all())).toMatchObject({ exitCode: 0 });
  });

  test('a network that machines use is not replaced without --allow-replace', async () => {
    const [moved] = [
      cluster('fujisan', {
        network: { name: 'fujisan', mode: 'nat', addresses: ['10.17.4.0/24'], bridge: 'fujisan0' },
        pool: { name: 'fujisan', path: poolPath() },
      }),
    ];
    const planned = await here().plan([moved]);
    expect(planned.exitCode).toBe(2);
    expect(planned.stdout).toMatch(/^host \S+: replace\n {2}-\/\+ libvirt_network\.network_fujisan\n/);
    expect(planned.stdout).toMatch(
      /addresses: \["10.17.3.0\/24"\] -> \["10.17.4.0\/24"\] {2}# forces replacement/,
    );
    const { exitCode, stderr } = await here().apply([moved]);
    expect(stderr).toContain('[ReplaceRefused]');
    expect(exitCode).toBe(4);
    expect(await here().virsh('net-dumpxml', 'fujisan')).toContain("address='10.17.3.1'");
    expect(await here().apply([fujisan()])).toMatchObject({ exitCode: 0 });
  });

  test('a cluster that manages the same network with other values is refused with its owner', async () => {
    const network = { name: 'fujisan', mode: 'nat', addresses: ['10.17.4.0/24'] };
    const another = { ...cluster('another', { network }), metadata: { name: 'another', namespace: 'other' } };
    for (const command of ['plan', 'apply'] as const) {
      const { exitCode, stderr } = await here()[command]([another]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(
        'spec.providerSpec.network: the network "fujisan" of localhost is managed by the Cluster default/fujisan',
      );
    }
    expect(await here().virsh('net-dumpxml', 'fujisan')).toContain('10.17.3.1');
    await here().caplv.read(['delete', 'cluster', 'another', '--namespace=other']);
    expect(await here().virsh('net-info', 'fujisan')).toMatch(/Active: +yes/);
  });

  test('the image stays as long as one machine uses it', async () => {
    await here().caplv.read(['delete', 'machine', 'first']);
    expect(await here().domains()).toEqual(['default.second']);
    expect(await images()).toHaveLength(1);
  });

  test('a cluster that still has machines waits for them', async () => {
    const { exitCode, stderr } = await here().caplv.run(['delete', 'cluster', 'fujisan', '--timeout=1s']);
    expect(exitCode).toBe(5);
    expect(stderr).toMatch(
      /^cluster\/fujisan waits for 1 Machine: second; to delete .* caplv delete cluster fujisan --cascade$/m,
    );
    expect(stderr).toMatch(/cluster\/fujisan was not deleted within 1 s.*--timeout=30m/s);
    expect(await here().caplv.read(['get', 'clusters'])).toMatch(
      /^fujisan +Deleting +False +WaitingForMachines/m,
    );
    expect(await here().virsh('net-info', 'fujisan')).toMatch(/Active: +yes/);
  });

  test('delete -f removes machines, image, network, pool, and all files about them', async () => {
    const { exitCode, stdout } = await here().caplv.run(['delete', '-f', '-'], { input: manifest(...all()) });
    expect(stdout).toBe('machine/second deleted\ncluster/fujisan deleted');
    expect(exitCode).toBe(0);
    expect(await here().domains()).toEqual([]);
    expect(await here().virsh('net-list', '--all', '--name')).not.toContain('fujisan');
    expect(await here().virsh('pool-list', '--all', '--name')).not.toContain('fujisan');
    expect(existsSync(poolPath())).toBe(false);
    expect(await here().stateFiles()).toEqual([]);
  });

  test('neither network nor pool is removed before its machines, though all are deleted at once', async () => {
    const both = [machine('first', here().image), second(), fujisan()];
    expect(await here().apply(both)).toMatchObject({ exitCode: 0 });
    const deleted = await here().caplv.run(['delete', '-f', '-'], { input: manifest(...both) });
    expect(deleted).toMatchObject({ exitCode: 0 });
    expect(deleted.stderr).not.toMatch(/failed|trying again/);
    expect(existsSync(poolPath())).toBe(false);
    expect(await here().stateFiles()).toEqual([]);
  });
});

test('exported and applied again, a machine can be deleted, and so can its cluster', async () => {
  const objects = [cluster('exported', {}), machine('exported', here().image)];
  expect(await here().apply(objects)).toMatchObject({ exitCode: 0 });
  for (const kind of ['machine', 'cluster']) {
    const file = await here().file(
      `${kind}.yaml`,
      await here().caplv.read(['get', kind, 'exported', '-o', 'yaml']),
    );
    expect(await here().caplv.run(['apply', '-f', file])).toMatchObject({ exitCode: 0 });
  }
  for (const kind of ['machine', 'cluster']) {
    expect(await here().caplv.run(['delete', kind, 'exported', '--timeout=1m'])).toMatchObject({
      exitCode: 0,
    });
  }
  expect(await here().stateFiles()).toEqual([]);
});

test('plan refuses a foreign network, as apply does, and shows one that would be removed', async () => {
  const network = { name: 'foreign', mode: 'none', addresses: ['10.17.8.0/24'] };
  const xml = await here().file('foreign.xml', '<network><name>foreign</name></network>');
  await here().virsh('net-define', xml);
  const foreign = cluster('foreign', { network });
  const refused = await here().plan([foreign]);
  expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
  expect(refused.stderr).toMatch(/has a network "foreign" .*\[NotOwned\]/);
  await here().virsh('net-undefine', 'foreign');

  expect(await here().apply([foreign])).toMatchObject({ exitCode: 0 });
  const named = await here().plan([cluster('foreign', { network: { name: 'foreign' } })]);
  expect(named.stdout).toMatch(/^host \S+: delete\n {2}- libvirt_network\.network_foreign\n/);
  expect(named.exitCode).toBe(2);
  await here().caplv.read(['delete', 'cluster', 'foreign']);
});

test('a network that two clusters manage with the same values stays for the other one when the first is deleted', async () => {
  const managed = (name: string, address: string) => {
    const network = { name: 'both', mode: 'none', addresses: [address] };
    return { ...cluster(name, { network }), metadata: { name, namespace: name } };
  };
  const [one, two] = [managed('one', '10.17.6.0/24'), managed('two', '10.17.6.0/24')];
  const inTwo = { ...machine('third', here().image), metadata: { name: 'third', namespace: 'two' } };
  expect(await here().apply([one])).toMatchObject({ exitCode: 0 });
  expect(await here().apply([two, inTwo])).toMatchObject({ exitCode: 0 });
  const uuid = await here().virsh('net-uuid', 'both');
  expect(await here().apply([managed('one', '10.17.7.0/24')])).toMatchObject({ exitCode: 4 });

  await here().caplv.read(['delete', 'cluster', 'one', '--namespace=one']);

  expect(await here().virsh('net-uuid', 'both')).toBe(uuid);
  expect(await here().plan([inTwo])).toMatchObject({ exitCode: 0 });
  await here().caplv.read(['delete', '-f', '-', '--now'], { input: manifest(two, inTwo) });
  expect(await here().virsh('net-list', '--all', '--name')).not.toContain('both');
  expect(await here().stateFiles()).toEqual([]);
});

describe('a network that cannot be made, since its range is taken', () => {
  const taken = () =>
    cluster('taken', { network: { name: 'taken', mode: 'nat', addresses: ['192.168.122.0/24'] } });
  const inTaken = { ...machine('stuck', {}), metadata: { name: 'stuck', namespace: 'taken' } };
  const other = () => ({
    ...cluster('other', { network: { name: 'other', mode: 'none', addresses: ['10.17.8.0/24'] } }),
    metadata: { name: 'other', namespace: 'other' },
  });
  const inOther = () => ({ ...machine('m', here().image), metadata: { name: 'm', namespace: 'other' } });

  test('fails the machines that need it, and no others', async () => {
    const theirs = { ...taken(), metadata: { name: 'taken', namespace: 'taken' } };
    const failed = await here().apply([theirs]);
    expect(failed.exitCode).not.toBe(0);
    expect(failed.stderr).toMatch(
      /Network is already in use by interface virbr0 .*fix: give the network other/s,
    );
    const stuck = {
      ...inTaken,
      spec: { providerSpec: { vcpu: 1, memoryMiB: 96, running: false, ...here().image } },
    };
    expect((await here().apply([stuck])).exitCode).not.toBe(0);

    for (const step of [[other(), inOther()], [machine('m', { ...here().image, autostart: true })]])
      expect(await here().apply(step)).toMatchObject({ exitCode: 0 });
    for (const objects of [[inOther()], [other()], [machine('m', here().image)], [stuck, theirs]]) {
      const gone = await here().caplv.run(['delete', '-f', '-'], { input: manifest(...objects) });
      expect(gone, JSON.stringify(objects)).toMatchObject({ exitCode: 0 });
      expect(gone.stderr).not.toMatch(/is already in use|trying again/);
    }
    expect(await here().stateFiles()).toEqual([]);
  });
});

test('a refused change of a network stops its Cluster, and neither its machines nor others', async () => {
  const net = (address: string) => ({ name: 'kept', mode: 'none', addresses: [address] });
  const kept = (address: string) => cluster('kept', { network: net(address) });
  const one = (spec: object = {}) => machine('one', { ...here().image, ...spec });
  expect(await here().apply([kept('10.17.9.0/24'), one()])).toMatchObject({ exitCode: 0 });
  const refused = await here().apply([kept('10.17.10.0/24')]);
  expect([refused.exitCode, refused.stderr]).toEqual([4, expect.stringContaining('[ReplaceRefused]')]);
  const [other] = [{ ...cluster('calm', { network: { ...net('10.17.11.0/24'), name: 'calm' } }) }];
  const calm = { ...other, metadata: { name: 'calm', namespace: 'calm' } };
  expect(await here().apply([one({ autostart: true })])).toMatchObject({ exitCode: 0 });
  expect(await here().apply([calm])).toMatchObject({ exitCode: 0 });
  expect(await here().virsh('net-dumpxml', 'kept')).toContain('10.17.9.1');
  for (const objects of [[one()], [calm], [kept('10.17.10.0/24')]])
    expect(await here().caplv.run(['delete', '-f', '-'], { input: manifest(...objects) })).toMatchObject({
      exitCode: 0,
    });
  expect(await here().virsh('net-list', '--all', '--name')).not.toMatch(/kept|calm/);
  expect(await here().stateFiles()).toEqual([]);
});

test('a server that stalls in the middle of an image does not stop other machines of that host', async () => {
  const image = await SlowImage.serve(here().lab.imagePath);
  onTestFinished(() => image.close());
  const slow = here().caplv.start(['apply', '-f', '-'], {
    input: manifest(machine('slow', { imageURI: image.url })),
  });
  await image.halfSent();
  // Its overlay is made in the same pool, its image uploaded there, and both removed.
  const quick = () => machine('quick', here().image);
  expect(await here().apply([quick(), cluster('quick', {})])).toMatchObject({ exitCode: 0 });
  const gone = await here().caplv.run(['delete', '-f', '-'], { input: manifest(quick()) });
  expect([gone.exitCode, gone.stderr]).toEqual([0, expect.not.stringMatching(/waiting|trying again/)]);
  image.sendRest();
  const { exitCode, stderr } = await slow.result;
  expect([exitCode, stderr]).toEqual([0, expect.not.stringMatching(/Conflict|trying again/)]);
  // It existed before the Cluster, and does not belong to it.
  const all = ['delete', 'cluster', 'quick', '--cascade', '--timeout=1m'];
  expect((await here().caplv.run(all)).stdout).toBe('cluster/quick deleted');
  await here().caplv.read(['delete', 'machine', 'slow']);
  expect(await here().stateFiles()).toEqual([]);
});

test('an existing machine keeps its network and pool, although Clusters come and go, and with any ownership mark', async () => {
  const early = machine('early', here().image);
  expect(await here().apply([early])).toMatchObject({ exitCode: 0 });
  const uuid = await here().virsh('domuuid', 'default.early');
  const { metadata } = await here().machine('early');

  // As an earlier version wrote it.
  const mark = `caplv machine default/early uid ${metadata.uid} cluster other installation somewhere`;
  await here().virsh('desc', 'default.early', '--config', mark);
  const [one, two] = [fujisan(), cluster('two', {})];
  for (const clusters of [[one], [one, two]]) {
    expect(await here().apply(clusters)).toMatchObject({ exitCode: 0 });
    const planned = await here().plan([early]);
    expect(planned).toMatchObject({ exitCode: 0, stdout: 'machine/early: no changes' });
    expect(await here().apply([early])).toMatchObject({ exitCode: 0, stdout: 'machine/early unchanged' });
  }
  // Of two Clusters a new one would have to name one.
  expect(await here().apply([second()])).toMatchObject({ exitCode: 3 });
  for (const name of ['two', 'fujisan']) await here().caplv.read(['delete', 'cluster', name]);
  expect(await here().apply([second(), early])).toMatchObject({ exitCode: 0 });
  expect(await here().virsh('domuuid', 'default.early')).toBe(uuid);
  expect((await here().machine('early')).status.providerStatus.pinned.site).toEqual({
    network: 'default',
    pool: 'default',
  });
  await here().caplv.read(['delete', 'machine', 'early', 'second']);
  expect(await here().domains()).toEqual([]);
  expect(await here().stateFiles()).toEqual([]);
});
