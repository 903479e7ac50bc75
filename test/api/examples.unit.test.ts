import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Cluster, clusterProviderSpec } from '../../src/api/kinds/cluster.ts';
import { type Machine, machineProviderSpec } from '../../src/api/kinds/machine.ts';
import { loadManifests } from '../../src/api/manifest/load.ts';

const EXAMPLES = join(import.meta.dirname, '../../deploy/examples');

test('kube-cp.yaml is the example of the original, with what it needs to run', async () => {
  const [cluster, machine, ...rest] = await loadManifests([EXAMPLES], {
    environment: { CAPLV_GUEST_IMAGE: '/guest.qcow2' },
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
  expect(machineProviderSpec(machine?.object as Machine)).toMatchObject({
    vcpu: 2,
    memoryInGB: 2,
    imageURI: '/guest.qcow2',
    userDataURI: join(EXAMPLES, 'kube-cp-user-data.yaml'),
  });
  expect(clusterProviderSpec(cluster?.object as Cluster).network).toEqual({ name: 'default' });
});

test('its user data is cloud-config, and the lab guest finds its hostname there', async () => {
  const text = await readFile(join(EXAMPLES, 'kube-cp-user-data.yaml'), 'utf8');
  expect(text).toMatch(/^#cloud-config\n/);
  expect(parse(text)).toMatchObject({
    hostname: '${CAPLV_MACHINE_NAME}',
    write_files: [{ path: '/etc/caplv/machine.env' }],
  });
});

describe('every further example loads as it is, with nothing exported', async () => {
  test.each(await readdir(join(EXAMPLES, 'machines')))('%s', async (name) => {
    expect(await loadManifests([join(EXAMPLES, 'machines', name)], { environment: {} })).not.toEqual([]);
  });

  test('and all of them together', async () => {
    await loadManifests([EXAMPLES, join(EXAMPLES, 'machines')], { environment: {} });
  });
});
