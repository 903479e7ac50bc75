/** Verifies that the examples load unchanged, and mean the same to caplv and kubectl. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { type Cluster, clusterProviderSpec } from '../../src/api/kinds/cluster.ts';
import { clusterNameOf, type Machine, machineProviderSpec } from '../../src/api/kinds/machine.ts';
import type { MachineDeployment } from '../../src/api/kinds/machine-deployment.ts';
import { loadManifests } from '../../src/api/manifest/load.ts';

const EXAMPLES = join(import.meta.dirname, '../../deploy/examples');

test('kube-cp.yaml is the example of the original, with everything it needs to run', async () => {
  const [cluster, machine, ...rest] = await loadManifests([join(EXAMPLES, 'kube-cp.yaml')], {
    environment: {},
  });
  expect(rest).toEqual([]);
  expect(cluster?.object).toMatchObject({
    kind: 'Cluster',
    metadata: { name: 'fujisan' },
    spec: {
      clusterNetwork: {
        services: { cidrBlocks: ['10.96.0.0/12'] },
        pods: { cidrBlocks: ['192.168.0.0/16'] },
        serviceDomain: 'cluster.local',
      },
    },
  });
  expect(machine?.object).toMatchObject({
    metadata: { name: 'kube-cp' },
    spec: { versions: { kubelet: '1.15.0' } },
  });
  const spec = machineProviderSpec(machine?.object as Machine);
  expect(spec).toMatchObject({ vcpu: 2, memoryInGB: 2, imageURI: expect.stringMatching(/^https:/) });
  expect(clusterProviderSpec(cluster?.object as Cluster).network).toEqual({ name: 'default' });
  expect(spec.userData).toMatch(/^#cloud-config\n/);
  expect(parse(spec.userData ?? '')).toMatchObject({
    hostname: '${CAPLV_MACHINE_NAME}',
    write_files: [{ path: '/etc/caplv/machine.env' }],
  });
});

const files = (await readdir(EXAMPLES, { recursive: true })).filter((file) => file.endsWith('.yaml'));

describe('every example loads unchanged, without environment variables', () => {
  test.each(files)('%s', async (file) => {
    expect(await loadManifests([join(EXAMPLES, file)], { environment: {} })).not.toEqual([]);
  });

  test('and all of them together', async () => {
    await loadManifests([EXAMPLES, join(EXAMPLES, 'machines')], { environment: {} });
  });
});

test.each(files)(
  '%s means the same to kubectl: no variable, no relative file, no older group',
  async (file) => {
    const documents = parseAllDocuments(await readFile(join(EXAMPLES, file), 'utf8'));
    const read = await loadManifests([join(EXAMPLES, file)], { environment: {}, namespace: 'default' });
    for (const [index, { object }] of read.entries()) {
      const { metadata, ...written } = documents[index]?.toJS() ?? {};
      expect(object).toMatchObject({ ...written, metadata });
    }
  },
);

test.each(files)('each Cluster that %s names is in it', async (file) => {
  const objects = (await loadManifests([join(EXAMPLES, file)], { environment: {} })).map(
    ({ object }) => object,
  );
  const clusters = objects.filter(({ kind }) => kind === 'Cluster').map(({ metadata }) => metadata.name);
  const named = objects.flatMap((object) => {
    if (object.kind === 'Machine') return [clusterNameOf(object as Machine)];
    if (object.kind !== 'MachineDeployment') return [];
    return [clusterNameOf((object as MachineDeployment).spec.template as unknown as Machine)];
  });
  for (const name of named) if (name !== undefined) expect(clusters).toContain(name);
});
