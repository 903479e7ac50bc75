/** Verifies the life of a Machine in a cluster, and that it waits for what it lacks. */

import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SecretKind } from '../../src/api/kinds/secret.ts';
import { type Lease, LeaseKind } from '../../src/kube/client/lease.ts';
import { metricValue } from '../telemetry/metric-value.ts';
import { scratchDir } from '../terraform/scratch.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

const soon = { timeout: 60_000, interval: 100 };

let lab: ClusterLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('test-controller');
  controller = await ControllerProcess.start(lab.env());
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

afterEach(async () => {
  await lab.kubectl('delete', 'machines,clusters', '--all', '--wait=true');
});

const stateOf = (name: string) => ({ namespace: 'default', name: `tfstate-${name}-caplv` });
const lockOf = (name: string) => ({ namespace: 'default', name: `lock-tfstate-${name}-caplv` });

describe('a Machine that kubectl applies', () => {
  it('becomes a guest with an address, and leaves nothing when it is deleted', async () => {
    await lab.apply(lab.machine('first', { running: true }));
    await expect.poll(() => lab.ready('first'), soon).toBe('True AsSpecified');
    const machine = await lab.get('first');
    expect(machine?.status).toMatchObject({
      phase: 'Running',
      addresses: [{ type: 'InternalIP', address: expect.stringMatching(/^192\.168\.122\./) }, {}],
    });
    expect(machine?.spec.providerID).toBe(`libvirt:///${machine?.metadata.uid}`);

    const state = await lab.client.get(SecretKind, stateOf('first'));
    expect(state?.metadata.labels).toMatchObject({ 'cluster-api.k8s.io/machine-name': 'first' });
    expect(state?.metadata.ownerReferences).toMatchObject([{ kind: 'Machine', uid: machine?.metadata.uid }]);
    expect(await lab.kubectl('describe', 'machine', 'first')).toMatch(
      /Normal\s+Created\s.*took \d.*libvirt_domain\.machine \d/,
    );

    await lab.kubectl('delete', 'machine', 'first');
    await expect.poll(() => lab.host(), soon).toEqual({ domains: [], volumes: [] });
    await expect.poll(() => lab.kubectl('get', 'secrets', '-o', 'name'), soon).toBe('');
    expect(await lab.kubectl('get', 'leases', '-o', 'name')).toBe(
      'lease.coordination.k8s.io/caplv-controller',
    );
  });

  it('is off while an annotation says so, and is restarted once by another', async () => {
    const power = (name: string, value: string) =>
      lab.kubectl('annotate', '--overwrite', 'machine', 'power', `cluster-api.k8s.io/${name}${value}`);
    await lab.apply(lab.machine('power', { running: true, shutdownTimeoutSeconds: 60 }));
    await expect.poll(() => lab.ready('power'), soon).toBe('True AsSpecified');
    expect(await lab.caplv('stop', 'power')).toMatchObject({ exitCode: 0, stdout: 'machine/power stopped' });
    expect(await lab.ready('power')).toBe('False Stopped');
    expect(await lab.virsh('domstate', 'default.power')).toBe('shut off');
    await power('stopped', '-');
    await expect.poll(() => lab.ready('power'), soon).toBe('True AsSpecified');
    const id = await lab.virsh('domid', 'default.power');
    await power('reboot', '=force-once');
    const reboot = async () => (await lab.get('power'))?.status?.providerStatus?.reboot;
    await expect.poll(reboot, soon).toMatchObject({ request: 'force-once', state: 'Done' });
    expect(await lab.virsh('domid', 'default.power')).not.toBe(id);
    expect(await lab.kubectl('describe', 'machine', 'power')).toContain('a restart was requested; took');
  });

  it('is deleted, and so is its Cluster, although others applied its export again', async () => {
    await lab.apply({ ...lab.machine('exported'), kind: 'Cluster', spec: {} });
    await lab.apply(lab.machine('exported'));
    await expect.poll(() => lab.ready('exported'), soon).toBe('True AsSpecified');
    const stale = { errorReason: 'ImageNotFound', errorMessage: 'as a restored backup has it' };
    for (const kind of ['machine', 'cluster']) {
      const exported = JSON.parse(await lab.kubectl('get', kind, 'exported', '-o', 'json'));
      delete exported.metadata.managedFields;
      const file = join(await scratchDir(), `${kind}.json`);
      await writeFile(file, JSON.stringify(exported));
      await lab.kubectl('apply', '--server-side', '--force-conflicts', '-f', file);
      const patch = JSON.stringify({ status: stale });
      await lab.kubectl('patch', kind, 'exported', '--subresource=status', '--type=merge', '-p', patch);
      await lab.kubectl('annotate', kind, 'exported', 'example.org/touched=yes');
    }
    const reasons = () =>
      lab.kubectl('get', 'machines,clusters', '-o', 'jsonpath={.items[*].status.errorReason}');
    await expect.poll(reasons, soon).toBe('');
    await lab.kubectl('delete', 'machine,cluster', 'exported', '--wait=true', '--timeout=60s');
    expect(await lab.host()).toEqual({ domains: [], volumes: [] });
  });

  it('is started again within seconds when a person powers it off', async () => {
    await lab.apply(lab.machine('drifted', { running: true }));
    await expect.poll(() => lab.ready('drifted'), soon).toBe('True AsSpecified');
    await lab.virsh('destroy', 'default.drifted');
    await expect.poll(() => lab.virsh('domstate', 'default.drifted'), soon).toMatch('running');
  });
});

describe('a Machine with a missing dependency', () => {
  it('waits for it: a bootstrap Secret', async () => {
    const machine = lab.machine('no-secret') as { spec: object };
    await lab.apply({ ...machine, spec: { ...machine.spec, bootstrap: { dataSecretName: 'late' } } });
    await expect.poll(() => lab.ready('no-secret'), soon).toBe('False UserDataNotFound');
    // cloud-init would ignore it.
    await lab.kubectl('create', 'secret', 'generic', 'late', '--from-literal=value=hostname: web');
    await expect.poll(() => lab.ready('no-secret'), soon).toBe('False InvalidConfiguration');
    const value = gzipSync('#cloud-config\nhostname: ${CAPLV_MACHINE_NAME}\n').toString('base64');
    await lab.kubectl('patch', 'secret', 'late', '-p', JSON.stringify({ data: { value } }));
    await expect.poll(() => lab.ready('no-secret'), soon).toMatch(/^True/);
    const { poolPath } = lab.lab.hosts[0] as { poolPath: string };
    const seed = (await lab.host()).volumes.find((name) => /^default\.no-secret\..*-seed\.iso/.test(name));
    expect(await readFile(join(poolPath, seed ?? ''), 'latin1')).toContain(
      '#cloud-config\nhostname: no-secret\n',
    );
    await lab.kubectl('delete', 'secret', 'late');
  });

  it('waits for it: a Cluster', async () => {
    const machine = lab.machine('no-cluster') as { spec: object };
    await lab.apply({ ...machine, spec: { ...machine.spec, clusterName: 'late' } });
    await expect.poll(() => lab.ready('no-cluster'), soon).toBe('False NotFound');
    await lab.apply({
      apiVersion: 'cluster-api.k8s.io/v1alpha1',
      kind: 'Cluster',
      metadata: { name: 'late' },
      spec: {},
    });
    await expect.poll(() => lab.ready('no-cluster'), soon).toMatch(/^True/);
  });
});

describe('an image that is missing', () => {
  const names = ['early-1', 'early-2', 'early-3'];

  const reconciles = async () => {
    const lines = (await controller.fetch('/metrics')).split('\n');
    return lines.filter((line) => /^controller_reconcile_total{controller="machine"/.test(line)).join();
  };

  /** Repeats the wait until no reconcile happens in it, since the first reconciles of the machines may take longer. */
  async function untilNoReconcile(wait: () => Promise<void>): Promise<void> {
    const isQuiet = async () => {
      const before = await reconciles();
      await wait();
      return (await reconciles()) === before;
    };
    await expect.poll(isQuiet, soon).toBe(true);
  }

  const isIdle = async () => {
    const metrics = await controller.fetch('/metrics');
    const gauges = ['workqueue_depth', 'workqueue_running'];
    return gauges.every((gauge) => metricValue(metrics, `${gauge}{name="machine"}`) === 0);
  };

  async function waitFor(imageURI: string): Promise<void> {
    await lab.apply(...names.map((name) => lab.machine(name, { imageURI })));
    for (const name of names) await expect.poll(() => lab.ready(name), soon).toBe('False ImageNotFound');
    // Waiting Machines are reconciled once more when the first watch of the host begins.
    await controller.says('Watching host');
    // A reconcile counts when it has ended, a moment after its last log line.
    await expect.poll(isIdle, soon).toBe(true);
  }

  async function untilMade(): Promise<void> {
    for (const name of names) await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
  }

  it('as a file causes no reconcile until it exists, however many Machines wait', async () => {
    const image = join(lab.lab.directory, 'late.qcow2');
    await waitFor(image);
    await untilNoReconcile(() => sleep(4_000));
    await copyFile(lab.lab.imagePath, image);
    await untilMade();
  });

  it('as a volume is found when it is created', async () => {
    await waitFor('volume:default/late.qcow2');
    await lab.virsh('vol-create-as', 'default', 'late.qcow2', '64M', '--format=qcow2');
    await untilMade();
    await lab.kubectl('delete', 'machines', '--all', '--wait=true');
    await lab.virsh('vol-delete', 'late.qcow2', 'default');
  });

  it('at a URL is requested once for all Machines that wait', async () => {
    let asked = 0;
    let isThere = false;
    const image = await readFile(lab.lab.imagePath);
    const server = createServer((_, response) => {
      asked += 1;
      const [status, body] = isThere ? [200, image] : [404, ''];
      response.writeHead(status, { 'content-length': body.length }).end(body);
    }).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      await waitFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}/late.qcow2`);
      await untilNoReconcile(async () => {
        const before = asked;
        await expect.poll(() => asked, soon).toBeGreaterThan(before + 2);
      });
      isThere = true;
      await untilMade();
    } finally {
      server.close();
    }
  });
});

it('an unreachable host is reported once, and its machines recover when it is back', async () => {
  const [host] = lab.lab.hosts;
  const toldOf = () => controller.lines.filter(({ message }) => message === 'Host is out of reach').length;
  const names = ['unreached-1', 'unreached-2', 'unreached-3'];
  await host?.stopLibvirtd();
  try {
    await lab.apply(...names.map((name) => lab.machine(name)));
    for (const name of names) await expect.poll(() => lab.ready(name), soon).toBe('False LibvirtUnreachable');
    const before = toldOf();
    expect(before).toBeGreaterThan(0);
    await sleep(5_000);
    expect(toldOf()).toBe(before);
  } finally {
    await host?.startLibvirtd();
  }
  for (const name of names) await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
});

describe('the lock of a state', () => {
  async function hold(name: string, who: string): Promise<void> {
    const info = { ID: 'a', Operation: 'OperationTypeApply', Who: who, Created: new Date().toISOString() };
    await lab.client.patch(LeaseKind, lockOf(name), {
      metadata: { annotations: { 'app.terraform.io/lock-info': JSON.stringify(info) } },
      spec: { holderIdentity: 'a' },
    });
  }

  const holderOf = async (name: string) =>
    (await lab.client.get<Lease>(LeaseKind, lockOf(name)))?.spec.holderIdentity;

  it('is released if it belongs to a terraform of this machine that no longer runs', async () => {
    await lab.apply(lab.machine('stale'));
    await expect.poll(() => lab.ready('stale'), soon).toMatch(/^True/);
    await hold('stale', `root@${hostname()}`);
    await lab.kubectl('delete', 'machine', 'stale');
    expect(await controller.says('Released the state lock of a process that is gone')).toMatchObject({
      lease: lockOf('stale'),
      holder: `root@${hostname()}`,
    });
  });

  it('is not released while another process may still work on the state', async () => {
    await lab.apply(lab.machine('held'));
    await expect.poll(() => lab.ready('held'), soon).toMatch(/^True/);
    await hold('held', 'alice@laptop');
    await lab.kubectl('delete', 'machine', 'held', '--wait=false');
    await expect.poll(() => lab.ready('held'), soon).toBe('False StateLocked');
    const conditions = (await lab.get('held'))?.status?.conditions;
    expect(conditions?.find(({ type }) => type === 'Ready')?.message).toMatch(
      /^waiting for the lock of alice@laptop \(apply, since 20\S+\)$/,
    );
    expect((await lab.host()).domains).toEqual(['default.held']);
    expect(await holderOf('held')).toBe('a');
    await lab.client.patch(LeaseKind, lockOf('held'), { spec: { holderIdentity: null } });
    await expect.poll(() => lab.get('held'), soon).toBeUndefined();
  });
});

describe('a change that would replace the domain', () => {
  const planOf = async (name: string) => (await lab.get(name))?.status?.providerStatus?.lastPlan;

  it('is refused, shown without values, and applied after its plan is approved', async () => {
    await lab.apply(lab.machine('grown'));
    await expect.poll(() => lab.ready('grown'), soon).toMatch(/^True/);
    const before = await lab.virsh('domuuid', 'default.grown');
    await lab.apply(lab.machine('grown', { memoryMiB: 160 }));
    await expect.poll(() => lab.ready('grown'), soon).toBe('False ReplaceRefused');
    const plan = await planOf('grown');
    expect(plan?.actions).toContainEqual({
      address: 'libvirt_domain.machine',
      action: 'replace',
      reason: 'memory',
    });
    await lab.kubectl('annotate', 'machine', 'grown', 'cluster-api.k8s.io/approve-plan=another');
    await lab.kubectl(
      'annotate',
      '--overwrite',
      'machine',
      'grown',
      `cluster-api.k8s.io/approve-plan=${plan?.id}`,
    );
    await expect.poll(() => lab.ready('grown'), soon).toMatch(/^True/);
    expect(await lab.virsh('domuuid', 'default.grown')).not.toBe(before);
    expect(await planOf('grown')).toBeUndefined();
  });

  it('is only planned, as any other change, while the annotation plan-only is set', async () => {
    await lab.apply(lab.machine('planned', {}, { annotations: { 'cluster-api.k8s.io/plan-only': '' } }));
    await expect.poll(() => lab.ready('planned'), soon).toBe('False WaitingForApproval');
    expect(await lab.host()).toEqual({ domains: [], volumes: [] });
    const plan = await planOf('planned');
    expect(plan?.summary).toMatch(/^\d to make$/);
    expect(await lab.kubectl('describe', 'machine', 'planned')).toContain(
      `plan ${plan?.id}: ${plan?.summary}`,
    );
    await lab.kubectl('annotate', 'machine', 'planned', `cluster-api.k8s.io/approve-plan=${plan?.id}`);
    await expect.poll(() => lab.ready('planned'), soon).toMatch(/^True/);
  });
});

it('another process continues with the states of the first one', async () => {
  await lab.apply(lab.machine('kept', { running: true }));
  await expect.poll(() => lab.ready('kept'), soon).toMatch(/^True|WaitingForAddress/);
  const before = await lab.virsh('domuuid', 'default.kept');
  expect(await controller.stop()).toEqual([0, null]);
  controller = await ControllerProcess.start(lab.env());
  await lab.apply(lab.machine('kept', { running: true, autostart: true }));
  await expect.poll(() => lab.virsh('list', '--all', '--autostart', '--name'), soon).toMatch('default.kept');
  expect(await lab.virsh('domuuid', 'default.kept')).toBe(before);
});
