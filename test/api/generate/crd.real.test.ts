/** Verifies that an API server accepts the CRDs, and accepts and refuses the same objects as caplv. */

import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLUSTER_API_KINDS, findKind } from '../../../src/api/kinds/registry.ts';
import { loadManifests } from '../../../src/api/manifest/load.ts';
import type { Client } from '../../../src/kube/client/client.ts';
import { KubeLab } from '../../lab/kube/kube-lab.ts';
import {
  cluster,
  healthCheck,
  MINIMAL,
  machine,
  machineDeployment,
  machineSet,
  REFUSALS,
} from '../refusals.ts';

const DEPLOY = join(import.meta.dirname, '../../../deploy');

let lab: KubeLab;
let client: Client;

beforeAll(async () => {
  lab = await KubeLab.up({ dir: await mkdtemp(join(tmpdir(), 'caplv-crds-')) });
  client = await lab.client();
  await kubectl('apply', '--filename', join(DEPLOY, 'crds'));
  await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
}, 900_000);

afterAll(async () => {
  client?.close();
  await lab?.down();
});

test('the API server takes our schemas as they are: structural, and their rules within its budget', async () => {
  const { items } = JSON.parse(
    await client.raw('GET', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'),
  ) as {
    items: { metadata: { name: string }; status: { conditions: { type: string; status: string }[] } }[];
  };
  expect(items.map(({ metadata }) => metadata.name).sort()).toEqual(
    CLUSTER_API_KINDS.map(({ plural, group }) => `${plural}.${group}`).sort(),
  );
  for (const { status } of items) {
    expect(status.conditions).not.toContainEqual(
      expect.objectContaining({ type: 'NonStructuralSchema', status: 'True' }),
    );
  }
});

test.each(CLUSTER_API_KINDS)('kubectl explains spec and status of a $kind', async ({ singular }) => {
  for (const field of ['spec', 'status']) {
    const stdout = await kubectl('explain', `${singular}.${field}`);
    expect(stdout).toMatch(/^DESCRIPTION:\n {4}[A-Z]/m);
    expect(stdout).not.toContain('<empty>');
    expect(stdout).not.toContain('<no description>');
  }
});

describe('what we refuse, the API server refuses', () => {
  const told = REFUSALS.filter(({ server }) => server === undefined);
  const inOwnWords = REFUSALS.filter(({ server }) => server === 'own words');
  const accepted = REFUSALS.filter(({ server }) => server === 'accepts');

  test.each(told)('$what, in our words', async ({ object, says }) => {
    await expect(dryRun(object)).rejects.toThrow(says);
  });
  test.each(inOwnWords)('$what', async ({ object }) => {
    await expect(dryRun(object)).rejects.toMatchObject({ code: expect.toBeOneOf([400, 422]) });
  });
  test.each(accepted)('but not $what', async ({ object }) => {
    await dryRun(object);
  });
});

test('what we accept, the API server accepts and keeps: no field is pruned', async () => {
  const examples = (
    await loadManifests([join(DEPLOY, 'examples'), join(DEPLOY, 'examples/machines')], { environment: {} })
  ).map(({ object }) => object as unknown as Record<string, unknown>);
  for (const object of [
    ...examples,
    machine({ value: MINIMAL }),
    machine({ spec: MINIMAL }),
    cluster({}),
    machineSet({}),
    machineDeployment({ strategy: { type: 'OnDelete' } }),
    healthCheck({ maxUnhealthy: 2 }),
  ]) {
    if (object['kind'] === 'Secret') continue;
    const stored = JSON.parse(await dryRun(object)) as Record<string, unknown>;
    expect(stored).toMatchObject({ kind: object['kind'], spec: object['spec'] });
  }
});

describe('kubectl apply accepts each example unchanged', async () => {
  const files = (await readdir(join(DEPLOY, 'examples'), { recursive: true })).filter((file) =>
    file.endsWith('.yaml'),
  );
  test.each(files)('%s', async (file) => {
    const applied = await kubectl('apply', '--filename', join(DEPLOY, 'examples', file));
    expect(applied).toMatch(/^(.* created\n?)+$/);
    await kubectl('delete', '--wait=false', '--filename', join(DEPLOY, 'examples', file));
  });
});

test('kubectl scales a set, and its table tells the story', async () => {
  await client.raw('POST', pathOf(machineSet({})), machineSet({}));
  await kubectl('scale', 'machineset/a', '--replicas=4');
  expect(await kubectl('get', 'ms', 'a', '-o', 'jsonpath={.spec.replicas}')).toBe('4');

  await client.raw('POST', pathOf(machine(MINIMAL)), machine(MINIMAL));
  const status = {
    phase: 'Running',
    conditions: [condition('True')],
    addresses: [{ type: 'InternalIP', address: '192.0.2.1' }],
  };
  await kubectl(
    'patch',
    'machine',
    'kube-cp',
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({ status }),
  );
  const [header = '', row = ''] = (await kubectl('get', 'ma')).split('\n');
  expect(header.split(/\s+/)).toEqual(['NAME', 'PHASE', 'READY', 'REASON', 'ADDRESS', 'HOST', 'NODE', 'AGE']);
  expect(row.split(/\s+/).slice(0, 5)).toEqual(['kube-cp', 'Running', 'True', 'Tested', '192.0.2.1']);
});

function condition(status: 'True' | 'False') {
  return { type: 'Ready', status, reason: 'Tested', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
}

/** Strict, as kubectl asks for it: unknown fields are refused. */
function dryRun(object: Record<string, unknown>): Promise<string> {
  return client.raw('POST', `${pathOf(object)}?dryRun=All&fieldValidation=Strict`, object);
}

function pathOf(object: Record<string, unknown>): string {
  const kind = findKind(String(object['apiVersion']), String(object['kind']));
  return `/apis/${kind?.group}/${kind?.version}/namespaces/default/${kind?.plural}`;
}

async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await execa(lab.kubectl, ['--kubeconfig', lab.kubeconfig, ...args]);
  return stdout;
}
