/** Verifies the admission policies of deploy/ at a real API server, with users as their certificates name them. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { KubeLab } from '../lab/kube/kube-lab.ts';
import { DEPLOY } from './manifests.ts';

let directory = '';
let kube: KubeLab;
const configs = new Map<string, string>();

const CONTROLLER = 'system:serviceaccount:caplv-system:caplv-controller';
const TENANT = 'tenant';
const COLLECTOR = 'system:serviceaccount:kube-system:generic-garbage-collector';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-admission-'));
  kube = await KubeLab.up({ dir: join(directory, 'kube') });
  for (const user of [CONTROLLER, TENANT, COLLECTOR]) configs.set(user, await kube.userKubeconfig(user));
  configs.set('admin', kube.kubeconfig);
  await admin('create', 'namespace', 'caplv-system');
  await admin('create', 'namespace', 'kube-system').catch(() => {});
  for (const part of ['crds', 'rbac', 'admission'])
    await admin('apply', '--server-side', '--kustomize', join(DEPLOY, part));
  const everything = ['--verb=*', '--resource=secrets,leases.coordination.k8s.io'];
  await admin('create', 'role', 'all', ...everything);
  for (const user of [TENANT, COLLECTOR])
    await admin(
      'create',
      'rolebinding',
      `all-${configs.size}-${user.length}`,
      '--role=all',
      `--user=${user}`,
    );
  // A policy takes effect a moment after it is made.
  await vi.waitFor(async () => expect(await write(TENANT, 'secret', 'tfstate-first-caplv')).toMatch(DENIED), {
    timeout: 30_000,
    interval: 200,
  });
});

afterAll(async () => {
  await kube?.down();
  await rm(directory, { recursive: true, force: true });
});

const DENIED = /ValidatingAdmissionPolicy 'caplv-/;

async function as(user: string, input: object | undefined, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await execa(
    kube.kubectl,
    ['--kubeconfig', configs.get(user) ?? '', ...args],
    { input: input ? JSON.stringify(input) : '', reject: false },
  );
  return exitCode === 0 ? stdout : stderr;
}

async function admin(...args: readonly string[]): Promise<void> {
  await execa(kube.kubectl, ['--kubeconfig', kube.kubeconfig, ...args], { stdin: 'ignore' });
}

function objectOf(kind: string, name: string, namespace: string): object {
  const apiVersion = kind === 'secret' ? 'v1' : 'coordination.k8s.io/v1';
  return { apiVersion, kind: kind === 'secret' ? 'Secret' : 'Lease', metadata: { name, namespace } };
}

function write(user: string, kind: string, name: string, namespace = 'default'): Promise<string> {
  return as(user, objectOf(kind, name, namespace), 'create', '--filename=-');
}

const STATES = [
  ['secret', 'tfstate-web-caplv'],
  ['secret', 'tfstate-web-caplv-part-1'],
  ['secret', 'tfstate-web-caplv.1b9d6bcd.7'],
  ['secret', 'tfstate-web-caplv.corrupt'],
  ['secret', 'tfstate-0123456789-caplv-host'],
  ['secret', 'tfstate-web-caplv-capi'],
  ['secret', 'tfstate-one-caplv-host.moved'],
  ['lease', 'lock-tfstate-web-caplv'],
] as const;

describe('the controller, whose RBAC covers Secrets and Leases of all namespaces, writes', () => {
  test.each(STATES)('the %s %s', async (kind, name) => {
    expect(await write(CONTROLLER, kind, name)).toContain('created');
    expect(await as(CONTROLLER, undefined, 'label', kind, name, 'a=b')).toContain('labeled');
    expect(await as(CONTROLLER, undefined, 'delete', kind, name)).toContain('deleted');
  });

  test('its own lease, and only where it is', async () => {
    expect(await write(CONTROLLER, 'lease', 'caplv-controller', 'caplv-system')).toContain('created');
    expect(await write(CONTROLLER, 'lease', 'caplv-controller')).toMatch(DENIED);
  });

  test.each([
    ['secret', 'web-bootstrap'],
    ['secret', 'my-tfstate-web-caplv'],
    ['lease', 'kube-scheduler'],
  ])('and no other: not the %s %s, which it may read', async (kind, name) => {
    await as('admin', objectOf(kind, name, 'default'), 'create', '--filename=-');
    expect(await as(CONTROLLER, undefined, 'label', kind, name, 'a=b')).toMatch(DENIED);
    expect(await as(CONTROLLER, undefined, 'delete', kind, name)).toMatch(DENIED);
    expect(await as(CONTROLLER, undefined, 'get', kind, name)).toContain(name);
  });
});

describe('a tenant who may write all Secrets and Leases of a namespace', () => {
  test.each(STATES)('makes, changes and deletes no %s %s', async (kind, name) => {
    expect(await write(TENANT, kind, name)).toMatch(DENIED);
    await write(CONTROLLER, kind, name);
    expect(await as(TENANT, undefined, 'label', kind, name, 'a=b')).toMatch(DENIED);
    expect(await as(TENANT, undefined, 'delete', kind, name)).toMatch(DENIED);
    // Deletions with a Machine or namespace still work, and an administrator may change these objects.
    expect(await as('admin', undefined, 'label', kind, name, 'a=b')).toContain('labeled');
    expect(await as(COLLECTOR, undefined, 'delete', kind, name)).toContain('deleted');
  });

  test.each([
    ['secret', 'web-bootstrap-of-a-tenant'],
    ['secret', 'tfstate-default-mine'],
    ['lease', 'lock-tfstate-default-mine'],
  ])('keeps its own: the %s %s', async (kind, name) => {
    expect(await write(TENANT, kind, name)).toContain('created');
    expect(await as(TENANT, undefined, 'delete', kind, name)).toContain('deleted');
  });
});
