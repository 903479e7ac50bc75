/** Verifies that a lab's API server starts, stops and authorizes users. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KubeObject, ResourceKind } from '../../../src/apimachinery/object.ts';
import { controllerReference } from '../../../src/apimachinery/owner-reference.ts';
import { Client } from '../../../src/kube/client/client.ts';
import { loadConnection } from '../../../src/kube/client/kubeconfig.ts';
import { KubeLab } from './kube-lab.ts';
import { isRunning, type ProcessId } from './lab-process.ts';

const coreKind = (kind: string, plural: string): ResourceKind => ({
  group: '',
  version: 'v1',
  kind,
  plural,
  namespaced: true,
});
const ConfigMapKind = coreKind('ConfigMap', 'configmaps');
const ServiceAccountKind = coreKind('ServiceAccount', 'serviceaccounts');
const object = (kind: string, name: string): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace: 'default' },
});

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'caplv-kube-lab-'));
});

afterEach(async () => {
  await KubeLab.down(dir);
  await rm(dir, { recursive: true, force: true });
});

function processes(): ProcessId[] {
  const { processes } = JSON.parse(readFileSync(join(dir, 'kube.json'), 'utf8')) as {
    processes: Record<string, ProcessId>;
  };
  return Object.values(processes);
}

/** Starts a lab in another process, which then waits. */
async function upElsewhere(detached: boolean) {
  const module = fileURLToPath(new URL('kube-lab.ts', import.meta.url));
  const code = `import { KubeLab } from ${JSON.stringify(module)};
    const lab = await KubeLab.up({ dir: ${JSON.stringify(dir)}, detached: ${detached} });
    console.log(lab.url);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = await once(child.stdout, 'data');
  return { child, url: String(url).trim() };
}

describe('a lab', () => {
  it('that is detached survives its starter, is found by others, and is gone after down', async () => {
    const { child, url } = await upElsewhere(true);
    child.kill('SIGKILL');
    await once(child, 'exit');

    const lab = await KubeLab.up({ dir });
    expect(lab.url).toBe(url);
    expect(statSync(lab.kubeconfig).mode & 0o777).toBe(0o600);
    const client = await lab.client();
    expect(await client.raw('GET', '/readyz')).toBe('ok');
    client.close();

    const ids = processes();
    await lab.down();
    expect(ids.filter(isRunning)).toEqual([]);
    expect(existsSync(dir)).toBe(false);
  });

  it('that is not ends with its starter, even if that is killed', async () => {
    const { child } = await upElsewhere(false);
    const ids = processes();
    child.kill('SIGKILL');
    await expect.poll(() => ids.filter(isRunning)).toEqual([]);
    expect(await KubeLab.find(dir)).toBeUndefined();
  });
});

it('gives what a test of RBAC and of owners needs: users, service accounts, garbage collection', async () => {
  const lab = await KubeLab.up({ dir, controllerManager: true });
  const admin = await lab.client();
  await admin.create(ServiceAccountKind, object('ServiceAccount', 'robot'));
  for (const [path, name] of [
    [await lab.userKubeconfig('bob'), 'bob'],
    [await lab.serviceAccountKubeconfig('default', 'robot'), 'system:serviceaccount:default:robot'],
  ] as const) {
    const client = new Client(await loadConnection({ kubeconfig: path }));
    await expect(client.list(ConfigMapKind, { namespace: 'default' })).rejects.toThrow(
      `User "${name}" cannot list`,
    );
    client.close();
  }

  const owner = await admin.create(ConfigMapKind, object('ConfigMap', 'owner'));
  const owned = object('ConfigMap', 'owned');
  owned.metadata.ownerReferences = [controllerReference(ConfigMapKind, owner)];
  await admin.create(ConfigMapKind, owned);
  await admin.delete(ConfigMapKind, { namespace: 'default', name: 'owner' });
  await expect
    .poll(() => admin.get(ConfigMapKind, { namespace: 'default', name: 'owned' }), {
      timeout: 60_000,
      interval: 200,
    })
    .toBeUndefined();
  admin.close();
});
