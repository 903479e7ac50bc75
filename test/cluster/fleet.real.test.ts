/** Verifies MachineSets and MachineDeployments with real domains, and with Kubernetes' garbage collector. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MachineDeploymentKind } from '../../src/api/kinds/machine-deployment.ts';
import { ROLLBACK_ANNOTATION } from '../../src/controllers/machine-deployment/rollback.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';
import { FleetWatch } from './fleet-watch.ts';

const soon = { timeout: 90_000, interval: 100 };
const WORKERS = { namespace: 'default', name: 'workers' };
const NOTHING = { domains: [], volumes: [] };

let lab: ClusterLab;
let controller: ControllerProcess;
let watch: FleetWatch;

beforeAll(async () => {
  lab = await ClusterLab.up('test-fleet', 1, { controllerManager: true });
  controller = await ControllerProcess.start(lab.env());
  watch = await FleetWatch.start(lab);
});

afterAll(async () => {
  await watch?.stop();
  await controller?.stop();
  await lab?.down();
});

/** Whatever a test did: when all is deleted, the host and the namespace are as they were. */
afterEach(async () => {
  await lab.kubectl('delete', 'machinedeployments,machinesets,machines', '--all', '--wait=true');
  await expectNothingLeft();
  watch.reset();
});

async function expectNothingLeft(): Promise<void> {
  await expect.poll(() => lab.kubectl('get', 'machinesets,machines', '-o', 'name'), soon).toBe('');
  await expect.poll(() => lab.host(), soon).toEqual(NOTHING);
  const lease = 'lease.coordination.k8s.io/caplv-controller';
  await expect.poll(() => lab.kubectl('get', 'secrets,leases', '-o', 'name'), soon).toBe(lease);
}

async function apply(spec: object, machine: object = {}): Promise<void> {
  await lab.apply(lab.fleet('MachineDeployment', 'workers', spec, machine));
}

/** Waits until the rollout is complete, as `kubectl rollout status` decides it. */
async function untilDone(replicas: number): Promise<void> {
  const status = async () => {
    const { metadata, status } = (await lab.client.get(MachineDeploymentKind, WORKERS)) ?? {};
    return status?.observedGeneration === metadata?.generation ? status : undefined;
  };
  const done = { replicas, updatedReplicas: replicas, availableReplicas: replicas };
  await expect.poll(status, soon).toMatchObject(done);
}

const domains = async () => (await lab.host()).domains.sort();
const vcpus = () => watch.machines.map(({ spec }) => spec.providerSpec['vcpu']);

it('a MachineDeployment is scaled 0→5→2→0 without a domain too many, and none is created twice', async () => {
  await apply({ replicas: 0 });
  for (const replicas of [5, 2, 0]) {
    await lab.kubectl('scale', 'machinedeployment/workers', `--replicas=${replicas}`);
    await untilDone(replicas);
    expect(await domains()).toHaveLength(replicas);
  }
  expect(watch.most).toEqual({ machines: 5, domains: 5 });
  expect(new Set(watch.made).size).toBe(watch.made.length);
  expect(await lab.host()).toEqual(NOTHING);
});

describe('a rolling update', () => {
  it.each([
    { maxSurge: 1, maxUnavailable: 0 },
    { maxSurge: 0, maxUnavailable: 2 },
    { maxSurge: 2, maxUnavailable: 1 },
  ])('keeps to %o at every moment, for machines and for domains', async (rollingUpdate) => {
    const spec = { replicas: 3, strategy: { type: 'RollingUpdate', rollingUpdate } };
    await apply(spec);
    await untilDone(3);
    const before = await domains();
    watch.reset();
    await apply(spec, { vcpu: 2 });
    await untilDone(3);
    expect(vcpus()).toEqual([2, 2, 2]);
    expect((await domains()).filter((name) => before.includes(name))).toEqual([]);
    expect(watch.most.machines).toBeLessThanOrEqual(3 + rollingUpdate.maxSurge);
    expect(watch.most.domains).toBeLessThanOrEqual(3 + rollingUpdate.maxSurge);
    expect(watch.fewestAvailable).toBeGreaterThanOrEqual(3 - rollingUpdate.maxUnavailable);
  });

  it('deletes the old guest first where the template has a fixed address, which the new one then gets', async () => {
    const fixed = { running: true, memoryMiB: 96, interfaces: [{ addresses: ['192.168.122.40'] }] };
    const network = () => lab.virsh('net-dumpxml', 'default');
    await apply({ replicas: 1 }, fixed);
    await untilDone(1);
    watch.reset();
    await apply({ replicas: 1 }, { ...fixed, vcpu: 2 });
    await untilDone(1);
    expect(watch.most).toEqual({ machines: 1, domains: 1 });
    expect(watch.machines.map(({ status }) => status?.addresses?.[0]?.address)).toEqual(['192.168.122.40']);
    await expect(lab.kubectl('scale', 'machinedeployment/workers', '--replicas=2')).rejects.toThrow(
      'what only one machine can have',
    );
    // Nothing tells of that; the next look at the host finds it.
    const host = await lab.host();
    for (const flag of ['--live', '--config']) {
      const entry = "<host ip='192.168.122.40'/>";
      await lab.virsh('net-update', 'default', 'delete', 'ip-dhcp-host', entry, flag);
    }
    await expect.poll(network, soon).toContain("ip='192.168.122.40'");
    expect(await lab.host()).toEqual(host);
  });

  it('waits while the deployment is paused, continues afterwards, and can be rolled back', async () => {
    await apply({ replicas: 2 });
    await untilDone(2);
    const first = await domains();
    await lab.kubectl(
      'patch',
      'machinedeployment/workers',
      '--type=merge',
      '--patch={"spec":{"paused":true}}',
    );
    await apply({ replicas: 2, paused: true }, { vcpu: 2 });
    // Scaling still works meanwhile, with the old template.
    await lab.kubectl('scale', 'machinedeployment/workers', '--replicas=3');
    await expect.poll(domains, soon).toHaveLength(3);
    expect(await domains()).toEqual(expect.arrayContaining(first));
    expect(vcpus()).toEqual([1, 1, 1]);

    await apply({ replicas: 3, paused: false }, { vcpu: 2 });
    await untilDone(3);
    expect(vcpus()).toEqual([2, 2, 2]);

    await lab.kubectl('annotate', 'machinedeployment/workers', `${ROLLBACK_ANNOTATION}=1`);
    await expect.poll(vcpus, soon).toEqual([1, 1, 1]);
    await untilDone(3);
    expect(await domains()).toHaveLength(3);
    expect(watch.most.domains).toBeLessThanOrEqual(4);
  });

  it('stops at a template that cannot work, and keeps the running machines', async () => {
    await apply({ replicas: 2 });
    await untilDone(2);
    const before = await domains();
    watch.reset();
    await apply({ replicas: 2 }, { imageURI: '/nowhere.qcow2' });
    await expect
      .poll(() => lab.kubectl('get', 'machines', '--no-headers'), soon)
      .toMatch(/False +ImageNotFound/);
    await apply({ replicas: 2 });
    await untilDone(2);
    expect(await domains()).toEqual(before);
    expect(watch).toMatchObject({ fewestAvailable: 2, made: [] });
  });
});

describe('deletion of a MachineDeployment', () => {
  it.each(['background', 'foreground'])(
    'in the %s takes sets, machines, domains, volumes, states',
    async (cascade) => {
      await apply({ replicas: 3 });
      await untilDone(3);
      await lab.kubectl(
        'delete',
        'machinedeployment/workers',
        `--cascade=${cascade}`,
        '--wait',
        '--timeout=90s',
      );
      await expectNothingLeft();
    },
  );

  it('also deletes machines that are still being created', async () => {
    await apply({ replicas: 4 });
    await expect.poll(domains, soon).not.toEqual([]);
    await lab.kubectl(
      'delete',
      'machinedeployment/workers',
      '--cascade=foreground',
      '--wait',
      '--timeout=90s',
    );
    await expectNothingLeft();
  });

  it('with --cascade=orphan changes no domain, and a MachineSet adopts the machines again', async () => {
    await apply({ replicas: 2 });
    await untilDone(2);
    const uuids = await lab.virsh('list', '--all', '--uuid');
    await lab.kubectl('delete', 'machinedeployment/workers', '--cascade=orphan', '--wait', '--timeout=60s');
    await lab.kubectl('delete', 'machinesets', '--all', '--cascade=orphan', '--wait', '--timeout=60s');
    const set = lab.fleet('MachineSet', 'workers', { replicas: 2 });
    await lab.apply(set);
    await lab.kubectl('wait', 'machineset/workers', '--for=condition=Ready', '--timeout=60s');
    expect(await lab.virsh('list', '--all', '--uuid')).toBe(uuids);
    await lab.kubectl('scale', 'machineset/workers', '--replicas=3');
    await expect.poll(domains, soon).toHaveLength(3);
  });
});

it('a namespace with machines can be deleted, and leaves nothing on the host', async () => {
  await lab.kubectl('create', 'namespace', 'tenant');
  const tenants = (object: object) => {
    const { metadata, ...rest } = object as { metadata: object };
    return { ...rest, metadata: { ...metadata, namespace: 'tenant' } };
  };
  await lab.apply(tenants(lab.fleet('MachineSet', 'workers', { replicas: 2 })), tenants(lab.machine('own')));
  await expect.poll(domains, soon).toHaveLength(3);
  await lab.kubectl('-n', 'tenant', 'wait', 'machines', '--all', '--for=condition=Ready', '--timeout=60s');
  // Its Secrets, which hold the states, go at once and come never again; its Machines have a finalizer.
  await lab.kubectl('delete', 'namespace', 'tenant', '--wait', '--timeout=120s');
  await expectNothingLeft();
});
