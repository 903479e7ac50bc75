/**
 * Verifies deploy/namespaced at a real API server: the controller is its ServiceAccount, and has those role bindings and no
 * others.
 */

import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { KubeObject } from '../../src/apimachinery/object.ts';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { kustomize } from './manifests.ts';

const soon = { timeout: 60_000, interval: 100 };
const WATCH = ['--watch-namespaces', 'team-a,team-b'];
const LEASE = ['lease/caplv-controller', '--namespace=caplv-system'];

let lab: ClusterLab;
let kubeconfig = '';

beforeAll(async () => {
  lab = await ClusterLab.up('test-namespaced');
  await lab.kubectl('wait', '--for=create', 'namespace/kube-system', '--timeout=60s');
  for (const name of ['caplv-system', 'team-a', 'team-b', 'other'])
    await lab.kubectl('create', 'namespace', name);
  const isOfRbac = ({ kind }: KubeObject) => /Role|ServiceAccount/.test(kind);
  await lab.apply(...(await kustomize(lab.kube.kubectl, 'namespaced')).filter(isOfRbac));
  kubeconfig = await lab.kube.serviceAccountKubeconfig('caplv-system', 'caplv-controller');
  const everywhere = await ControllerProcess.start(lab.env(), ['--namespace', 'caplv-system']);
  await lab.apply(lab.machine('stays', {}, { namespace: 'other' }));
  await vi.waitUntil(() => isReady('stays', 'other'), soon);
  await everywhere.stop();
});

afterAll(async () => {
  await lab?.down();
});

function env(): NodeJS.ProcessEnv {
  return { ...lab.env(), CAPLV_KUBECONFIG: kubeconfig };
}

async function isReady(name: string, namespace: string): Promise<boolean> {
  const path = '{.status.conditions[?(@.type=="Ready")].status}';
  return (
    (await lab.kubectl('get', 'machine', name, '--namespace', namespace, '-o', `jsonpath=${path}`)) === 'True'
  );
}

/** `kubectl` as the controller. */
async function asController(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await execa(lab.kube.kubectl, ['--kubeconfig', kubeconfig, ...args], {
    reject: false,
  });
  return stdout + stderr;
}

const ofTeam = (kind: string, namespace: string, name: string, spec: object) => ({
  apiVersion: 'cluster-api.k8s.io/v1alpha1',
  kind,
  metadata: { name, namespace },
  spec,
});

describe('a controller that is bound in two namespaces', () => {
  let controller: ControllerProcess;

  it('does not begin where it would give up what machines of another namespace have on hosts', async () => {
    const refused = ControllerProcess.begin(env(), ['--namespace', 'caplv-system', ...WATCH]);
    expect(await refused.says('Controller failed')).toMatchObject({
      error: expect.stringMatching(/^--watch-namespaces leaves out .* cannot be read any more$/),
      errorFix: expect.stringContaining('caplv.cluster-api.k8s.io/watched-namespaces=team-a,team-b'),
    });
    expect(await refused.exited).toEqual([3, null]);
    await lab.kubectl(
      'annotate',
      '--overwrite',
      ...LEASE,
      'caplv.cluster-api.k8s.io/watched-namespaces=team-a,team-b',
    );
    controller = await ControllerProcess.start(env(), [
      '--namespace',
      'caplv-system',
      '--sweep-interval',
      '2s',
      ...WATCH,
    ]);
  });

  it('makes machines there, with their bootstrap Secrets, states, locks and events', async () => {
    const secret = { metadata: { name: 'boot', namespace: 'team-a' }, stringData: { value: '#!/bin/sh\n' } };
    const labels = { app: 'web' };
    const { spec } = lab.machine('web') as { spec: object };
    await lab.apply(
      { apiVersion: 'v1', kind: 'Secret', ...secret },
      {
        ...lab.machine('one', {}, { namespace: 'team-a' }),
        spec: { ...spec, bootstrap: { dataSecretName: 'boot' } },
      },
      ofTeam('Cluster', 'team-b', 'lan', {
        providerSpec: { network: { name: 'lan-b', mode: 'none', addresses: ['10.66.1.0/24'] } },
      }),
      ofTeam('MachineDeployment', 'team-b', 'web', {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec },
      }),
      ofTeam('MachineHealthCheck', 'team-b', 'web', { selector: { matchLabels: labels } }),
    );
    await vi.waitUntil(() => isReady('one', 'team-a'), soon);
    await lab.kubectl(
      'wait',
      '--for=jsonpath={.status.readyReplicas}=1',
      'machinedeployment/web',
      '-n',
      'team-b',
      '--timeout=60s',
    );
    await lab.kubectl('wait', '--for=condition=Ready', 'cluster/lan', '-n', 'team-b', '--timeout=60s');
    const names = await lab.kubectl('get', 'secrets,leases', '-n', 'team-a', '-o', 'name');
    expect(names).toContain('secret/tfstate-one-caplv');
    expect(names).toContain('lease.coordination.k8s.io/lock-tfstate-one-caplv');
    await expect.poll(() => lab.kubectl('get', 'events', '-n', 'team-a'), soon).toContain('Created');
    expect(await lab.kubectl('get', 'secrets', '-n', 'caplv-system', '-o', 'name')).toMatch(
      /tfstate-\w+-caplv-host/,
    );
    expect(await lab.virsh('net-list', '--name')).toContain('lan-b');
  });

  it('neither sees nor touches objects elsewhere', async () => {
    await lab.kubectl('annotate', 'machine', 'stays', '-n', 'other', 'cluster-api.k8s.io/look=');
    await lab.apply(lab.machine('unseen', {}, { namespace: 'other' }));
    // What a sweep finds from here on says that one has been at the host, and left the domain there.
    const volume = 'team-a.gone.00000001-root.qcow2';
    await lab.virsh('vol-create-as', '--pool=default', '--capacity=1M', `--name=${volume}`);
    await expect.poll(() => controller.lines.some(({ name }) => name === volume), soon).toBe(true);
    await lab.virsh('vol-delete', '--pool=default', `--vol=${volume}`);
    const { domains } = await lab.host();
    expect(domains).toContain('other.stays');
    expect(domains).not.toContain('other.unseen');
    expect(await lab.kubectl('get', 'machine', 'unseen', '-n', 'other', '-o', 'jsonpath={.status}')).toBe('');
  });

  it.each([
    ['get', 'secret', 'tfstate-stays-caplv', '-n', 'other'],
    ['get', 'secrets', '-n', 'kube-system'],
    ['get', 'secrets', '-A'],
    ['get', 'machines', '-n', 'other'],
    ['get', 'leases', '-n', 'other'],
    ['create', 'secret', 'generic', 'mine', '-n', 'other'],
    ['delete', 'lease', 'lock-tfstate-stays-caplv', '-n', 'other'],
  ])('may not %s %s %s', async (...args) => {
    expect(await asController(...args)).toMatch(/forbidden/i);
  });

  it('and was refused nothing that it asked for', () => {
    expect(controller.lines.filter((line) => /forbidden/i.test(JSON.stringify(line)))).toEqual([]);
  });

  it('shows the same to commands with its rights', async () => {
    const all = await lab.caplvWith(env(), 'get', 'machines', '--all-namespaces', ...WATCH);
    expect(all.stdout).toMatch(/^(team-a +)?one /m);
    expect(all.stdout).not.toContain('stays');
    const orphans = await lab.caplvWith(env(), 'orphans', '--namespace', 'caplv-system', ...WATCH);
    expect(orphans).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('no Terraform state tracks'),
    });
  });

  it('removes what it created, and releases a namespace without objects', async () => {
    await lab.kubectl(
      'delete',
      'machinedeployment,machinehealthcheck,machine,cluster',
      '--all',
      '-n',
      'team-b',
    );
    await expect.poll(async () => (await lab.host()).domains, soon).toEqual(['other.stays', 'team-a.one']);
    await controller.stop();
    const narrower = ['--namespace', 'caplv-system', '--watch-namespaces', 'team-a'];
    controller = await ControllerProcess.start(env(), narrower);
    await lab.kubectl('delete', 'machine', 'one', '-n', 'team-a');
    expect((await lab.host()).domains).toEqual(['other.stays']);
    // The image under the disk of the one that is not known here.
    expect((await lab.host()).volumes.filter((name) => !name.startsWith('other.stays.'))).toHaveLength(1);
    expect(await controller.stop()).toEqual([0, null]);
  });
});
