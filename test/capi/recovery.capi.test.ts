/**
 * Verifies that each object recovers after its fault ends, although the controller is killed while many faults last.
 * Measures how long each condition takes to change, and writes it to REPORT.md: no time decides whether a test passes.
 */

import { copyFile, rename, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ContractClusterKind, ContractMachineKind } from '../../src/api/infrastructure/contract.ts';
import { LibvirtClusterKind } from '../../src/api/infrastructure/libvirt-cluster.ts';
import { LibvirtMachineKind } from '../../src/api/infrastructure/libvirt-machine.ts';
import { SecretKind } from '../../src/api/kinds/secret.ts';
import type { KubeObject, ResourceKind } from '../../src/apimachinery/object.ts';
import type { Client } from '../../src/kube/client/client.ts';
import { bareCluster, bootstrapSecret, LibvirtWorld, poll } from './libvirt-world.ts';
import { ReadyWatch } from './ready-watch.ts';

const KINDS = [ContractClusterKind, ContractMachineKind, LibvirtClusterKind, LibvirtMachineKind, SecretKind];

type Kind = 'LibvirtMachine' | 'LibvirtCluster';

interface Fault {
  readonly what: string;
  readonly of: Kind;
  readonly name: string;
  readonly reason: string;
  /** Creates the objects that the fault needs, and waits until they are ready. */
  readonly before?: () => Promise<void>;
  readonly begin: () => Promise<void>;
  /** Resolves with the time at which the cause has ended (performance.now()), if that is later than its call. */
  readonly end: () => Promise<unknown>;
}

let world: LibvirtWorld;
let client: Client;
let watches: Readonly<Record<Kind, ReadyWatch>>;
const measured: (readonly [what: string, reason: string, begins: number, changes: number])[] = [];

beforeAll(async () => {
  world = await LibvirtWorld.up('test-capi-recovery', 'unused', 2);
  client = await world.world.kube.client();
  watches = {
    LibvirtMachine: new ReadyWatch(world.world.kube, 'libvirtmachines.infrastructure.cluster.x-k8s.io'),
    LibvirtCluster: new ReadyWatch(world.world.kube, 'libvirtclusters.infrastructure.cluster.x-k8s.io'),
  };
  await apply(onFirst('fuji'), bareCluster('fuji'), bootstrapSecret('boot'));
}, 600_000);

afterAll(async () => {
  for (const watch of Object.values(watches ?? {})) await watch.stop();
  client?.close();
  await world?.down();
});

/** Writes from this process: the start of a kubectl would be part of the measured time. */
async function apply(...objects: readonly object[]): Promise<void> {
  for (const object of objects as readonly KubeObject[]) {
    const kind = KINDS.find((one) => one.kind === object.kind) as unknown as ResourceKind;
    await client.apply(kind, object, { fieldManager: 'kubectl', force: true });
  }
}

const says = (name: string, what: RegExp, of: Kind = 'LibvirtMachine') => world.says(of, name, what);
const host = (number: 1 | 2, more: object = {}) => ({
  name: `rack${number}`,
  uri: world.lab.hosts[number - 1]?.uri,
  ...more,
});
const onFirst = (name: string, spec: object = {}) =>
  world.libvirtCluster(name, { hosts: [host(1)], ...spec });
const onSecond = (name: string) => world.libvirtCluster(name, { hosts: [host(2)] });
const withSecret = (dataSecretName: string) => ({ machine: { bootstrap: { dataSecretName } } });
const claiming = (name: string) => {
  const controlPlaneEndpointRange = { from: '192.168.122.250', to: '192.168.122.250' };
  return onFirst(name, { controlPlaneEndpoint: undefined, controlPlaneEndpointRange });
};
const lateImage = () => join(world.lab.directory, 'late.qcow2');

const FAULTS: readonly Fault[] = [
  {
    what: 'an owner that does not come',
    of: 'LibvirtMachine',
    name: 'alone',
    reason: 'WaitingForOwner',
    begin: () => apply(world.machine('alone', 'fuji')[0]),
    end: () => apply(world.machine('alone', 'fuji')[1]),
  },
  {
    what: 'a Cluster that is not in the namespace',
    of: 'LibvirtMachine',
    name: 'stray',
    reason: 'WaitingForCluster',
    begin: () => apply(...world.machine('stray', 'far')),
    end: () => apply(onFirst('far'), bareCluster('far')),
  },
  {
    what: 'an infrastructureRef to the wrong kind',
    of: 'LibvirtMachine',
    name: 'victim',
    reason: 'WaitingForOwner',
    begin: () => {
      const group = 'infrastructure.cluster.x-k8s.io';
      const infrastructureRef = { apiGroup: group, kind: 'LibvirtMachine', name: 'victim' };
      return apply(world.machine('victim', 'wrong')[0], bareCluster('wrong', { infrastructureRef }));
    },
    end: () => apply(onFirst('wrong'), bareCluster('wrong'), world.machine('victim', 'wrong')[1]),
  },
  {
    what: 'a bootstrap Secret that vanished',
    of: 'LibvirtMachine',
    name: 'kept',
    reason: 'UserDataNotFound',
    before: async () => {
      await apply(bootstrapSecret('kept-boot'), ...world.machine('kept', 'fuji', withSecret('kept-boot')));
      await says('kept', /^True/);
    },
    begin: () => world.delete('secrets', 'kept-boot'),
    end: () => apply(bootstrapSecret('kept-boot')),
  },
  {
    what: 'a bootstrap Secret that changed',
    of: 'LibvirtMachine',
    name: 'changed',
    reason: 'ReplaceRefused',
    before: async () => {
      await apply(
        bootstrapSecret('other-boot'),
        ...world.machine('changed', 'fuji', withSecret('other-boot')),
      );
      await says('changed', /^True/);
    },
    begin: () => apply(bootstrapSecret('other-boot', '#cloud-config\nhostname: changed\n')),
    end: () => apply(bootstrapSecret('other-boot')),
  },
  {
    what: 'a failure domain that no host is in',
    of: 'LibvirtMachine',
    name: 'placed',
    reason: 'InvalidConfiguration',
    begin: () =>
      apply(
        ...[onFirst('zoned'), bareCluster('zoned')],
        ...world.machine('placed', 'zoned', { machine: { failureDomain: 'rack9' } }),
      ),
    end: () => apply(world.libvirtCluster('zoned', { hosts: [host(1, { failureDomain: 'rack9' })] })),
  },
  {
    what: 'an endpoint range that is used up',
    of: 'LibvirtCluster',
    name: 'seeker',
    reason: 'AddressInUse',
    before: async () => {
      await apply(claiming('holder'), bareCluster('holder'));
      await says('holder', /^True/, 'LibvirtCluster');
    },
    begin: () => apply(claiming('seeker'), bareCluster('seeker')),
    end: async () => {
      const since = performance.now();
      await client.delete(ContractClusterKind, { namespace: 'default', name: 'holder' });
      return (await watches.LibvirtCluster.first('holder', since, ({ type }) => type === 'DELETED')).at;
    },
  },
  {
    what: 'an image that is not there yet',
    of: 'LibvirtMachine',
    name: 'imageless',
    reason: 'ImageNotFound',
    begin: () => apply(...world.machine('imageless', 'fuji', { libvirt: { imageURI: lateImage() } })),
    end: async () => {
      await copyFile(world.lab.imagePath, `${lateImage()}.new`);
      const since = performance.now();
      await rename(`${lateImage()}.new`, lateImage());
      return since;
    },
  },
  {
    what: 'a network that is not there yet',
    of: 'LibvirtMachine',
    name: 'wired',
    reason: 'NetworkNotFound',
    begin: () =>
      apply(
        ...[onFirst('netless', { network: { name: 'late' } }), bareCluster('netless')],
        ...world.machine('wired', 'netless'),
      ),
    end: async () => {
      const file = join(world.lab.directory, 'late.xml');
      await writeFile(file, "<network><name>late</name><bridge name='virbr9'/></network>");
      await world.virsh(0, 'net-create', file);
    },
  },
  {
    what: 'a pool that is not there yet',
    of: 'LibvirtMachine',
    name: 'pooled',
    reason: 'PoolNotFound',
    begin: () => apply(...world.machine('pooled', 'fuji', { libvirt: { pool: 'late' } })),
    end: () => {
      const target = join(world.lab.directory, 'late-pool');
      return world.virsh(0, 'pool-create-as', 'late', 'dir', '--target', target, '--build');
    },
  },
  {
    what: 'a host that is gone, of a machine that it has',
    of: 'LibvirtMachine',
    name: 'offline',
    reason: 'LibvirtUnreachable',
    before: async () => {
      await apply(onSecond('remote'), bareCluster('remote'), ...world.machine('offline', 'remote'));
      await says('offline', /^True/);
    },
    begin: async () => world.lab.hosts[1]?.stopLibvirtd(),
    end: async () => {
      await world.lab.hosts[1]?.startLibvirtd();
      return performance.now();
    },
  },
  {
    what: 'a host that is gone, of a machine that is to be made',
    of: 'LibvirtMachine',
    name: 'pending',
    reason: 'LibvirtUnreachable',
    begin: () => apply(...world.machine('pending', 'remote')),
    end: async () => {},
  },
  {
    what: 'a host that is gone, of a LibvirtCluster',
    of: 'LibvirtCluster',
    name: 'unready',
    reason: 'LibvirtUnreachable',
    begin: () => apply(onSecond('unready'), bareCluster('unready')),
    end: async () => {},
  },
];

/** Returns all domains as `name uuid`. */
async function made(): Promise<string[]> {
  const hosts = world.lab.hosts.map(async (_, at) => {
    const names = (await world.virsh(at, 'list', '--all', '--name')).split('\n').filter(Boolean);
    return Promise.all(names.map(async (name) => `${name} ${await world.virsh(at, 'domuuid', name)}`));
  });
  return (await Promise.all(hosts)).flat().sort();
}

let before: string[];

it('each fault is named by a condition, also after a crash of the controller', async () => {
  for (const fault of FAULTS) await fault.before?.();
  before = await made();
  for (const { begin } of FAULTS) await begin();
  const named = async () => {
    for (const { of, name, reason } of FAULTS) await says(name, new RegExp(`^(False|Unknown) ${reason}`), of);
  };
  await named();
  await world.crash();
  await named();
}, 900_000);

it.each(FAULTS.map((fault) => [fault.what, fault] as const))(
  'recovers when its cause has ended: %s',
  async (what, { of, name, reason, end }) => {
    // Those that end with the one before them are measured from there.
    const since = endsWithOther(name) ? lastEnd : performance.now();
    const ended = await end();
    const cause = typeof ended === 'number' ? ended : since;
    lastEnd = cause;
    const { at } = await watches[of].first(name, since, (event) => event.reason !== reason);
    // A LibvirtCluster may carry the annotation at all times.
    const begun = await watches[of].first(
      name,
      since,
      (event) => event.reason !== reason || (of === 'LibvirtMachine' && event.isAtWork),
    );
    const seconds = (then: number) => Math.max(0, then - cause) / 1000;
    measured.push([what, reason, seconds(begun.at), seconds(at)]);
    await says(name, /^True/, of);
  },
  600_000,
);

let lastEnd = 0;

function endsWithOther(name: string): boolean {
  return name === 'pending' || name === 'unready';
}

it('the machines that existed before the faults are the same ones', async () => {
  const now = await made();
  expect(now).toEqual(expect.arrayContaining(before));
  expect(now.length).toBeGreaterThan(before.length);
  await writeReport();
});

it('while the core manager is away for a minute nothing is lost, and our controller continues its work', async () => {
  const { capi } = world.world;
  await apply(...world.machine('goes', 'fuji'), ...world.machine('stays', 'fuji'));
  await world.world.objects.apply(world.template('workers'), world.deployment('workers', 'fuji', 1));
  for (const name of ['goes', 'stays']) await says(name, /^True/);
  const workers = async () =>
    (await world.list('LibvirtMachine')).filter(({ metadata, status }) => {
      const isMade = (status?.['initialization'] as { readonly provisioned?: boolean } | undefined)
        ?.provisioned;
      return metadata.name.startsWith('workers-') && isMade === true;
    }).length;
  await expect.poll(workers, poll).toBe(1);
  // Owned, and so ours to make, when core goes.
  await apply(...world.machine('inflight', 'fuji'));
  const isOwned = async () =>
    (await world.get('LibvirtMachine', 'inflight'))?.metadata.ownerReferences?.length;
  await expect.poll(isOwned, { ...poll, interval: 20 }).toBe(1);
  // Before core goes: its webhooks, which see each change of a MachineDeployment, go with it.
  await world.patch('MachineDeployment', 'workers', { spec: { replicas: 2 } });
  await capi.stop('cluster-api');
  const there = await made();
  await world.delete('Machine', 'goes');
  await world.virsh(0, 'undefine', 'default.capi~stays');
  await Promise.all([
    sleep(60_000),
    says('inflight', /^True/),
    expect.poll(() => world.domains(), poll).toContain('default.capi~stays'),
  ]);
  // What core would delete, or make more of, is as it was.
  expect((await world.get('LibvirtMachine', 'goes'))?.metadata.deletionTimestamp).toBeUndefined();
  const same = there.filter((one) => !/~(stays|inflight) /.test(one));
  expect(await made()).toEqual(expect.arrayContaining(same));
  await capi.start('cluster-api');
  await expect.poll(() => world.get('LibvirtMachine', 'goes'), poll).toBeUndefined();
  await expect.poll(workers, poll).toBe(2);
  const phase = async () => (await world.get('Machine', 'inflight'))?.status?.phase;
  await expect.poll(phase, poll).toBe('Provisioned');
  expect(await made()).toEqual(expect.arrayContaining(same.filter((one) => !one.includes('~goes '))));
}, 900_000);

async function writeReport(): Promise<void> {
  const rows = measured.map(
    ([what, reason, begins, changes]) =>
      `| ${what} | \`${reason}\` | ${begins.toFixed(1)} | ${changes.toFixed(1)} |`,
  );
  const [load = 0] = loadavg();
  const text = `# How soon work goes on

Seconds from the end of a cause to the first run of Terraform for the object, and to the change of condition \`Ready\`, by the events of a watch.
Each fault had lasted for a minute or more, and our controller was killed and started meanwhile. Where a machine is made, the condition keeps its
reason until it is there: the second time then is that of Terraform, too. Where nothing runs, both are the same. An image is transferred before that first
run, and Cluster API's manager sets the owner of a machine before our controller begins. Our controller looks for
files, networks, pools and hosts, at first every 0.7 to 1.5 s; of all else a watch reports changes. The load average was ${load.toFixed(1)} on ${cpus().length} cores. Written by
\`recovery.capi.test.ts\`.

| Cause | Reason | Work begins | \`Ready\` changes |
|---|---|---|---|
${rows.join('\n')}
`;
  await writeFile(join(import.meta.dirname, 'REPORT.md'), text);
  expect(measured).toHaveLength(FAULTS.length);
}
