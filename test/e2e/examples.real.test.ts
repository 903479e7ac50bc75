/** Verifies that each example can be applied and deleted. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { useStandalone } from './standalone.ts';

const EXAMPLES = join(import.meta.dirname, '../../deploy/examples');

const here = useStandalone('examples', { hosts: 2 });

/** Creates what two examples expect on the host. */
beforeAll(async () => {
  const sandbox = await here().host.sandbox();
  await sandbox.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  await here().virsh('vol-create-as', 'default', 'archive.qcow2', '16M', '--format', 'qcow2');
});

/** The example, but for what this machine has otherwise: the small guest, the lab's hosts, no KVM. */
async function example(file: string): Promise<string> {
  const [first, second] = here().lab.hosts;
  const text = await readFile(join(EXAMPLES, file), 'utf8');
  return text
    .replaceAll(/imageURI: .*/g, `imageURI: ${here().lab.imagePath}`)
    .replaceAll(/uri: qemu\+ssh:.*rack1.*/g, `uri: ${first?.uri}`)
    .replaceAll(/uri: qemu\+ssh:.*rack2.*/g, `uri: ${second?.uri}`)
    .replace(/ {4}domainType: kvm.*\n {4}cpu: .*\n/, '');
}

describe('caplv apply creates what each example describes, and delete removes all of it', async () => {
  const files = (await readdir(EXAMPLES, { recursive: true })).filter((file) => file.endsWith('.yaml'));

  test.each(files)('%s', async (file) => {
    const path = await here().file(file.replace('/', '-'), await example(file));
    const applied = await here().caplv.run(['apply', '-f', path]);
    expect(applied.stderr).not.toMatch(/error|warning/);
    expect(applied.exitCode).toBe(0);
    const machines = (await here().domains()).length;
    expect(machines).toBe((await example(file)).match(/^kind: Machine$/gm)?.length ?? 0);
    // Machines of sets and deployments are for a controller to make.
    const isLeft = /^kind: Machine(Set|Deployment)$/m.test(await example(file));
    const plan = await here().caplv.run(['plan', '-f', path]);
    expect(plan).toMatchObject(isLeft ? { exitCode: 2 } : { exitCode: 0, stderr: '' });
    const deleted = await here().caplv.run(['delete', '-f', path, '--now']);
    expect(deleted).toMatchObject({ exitCode: 0 });
    expect(await here().domains()).toEqual([]);
    expect(await here().volumes()).toEqual(['archive.qcow2']);
  });
});

describe('a host of a Cluster that keeps room for itself', () => {
  const manifestOf = (limits: string) => `
apiVersion: cluster-api.k8s.io/v1alpha1
kind: Cluster
metadata: {name: kept}
spec:
  providerSpec:
    hosts:
      - {name: rack1, uri: '${here().lab.hosts[0]?.uri}', unschedulable: true}
      - {name: rack2, uri: '${here().lab.hosts[1]?.uri}'${limits}}
---
apiVersion: cluster-api.k8s.io/v1alpha1
kind: Machine
metadata: {name: kept}
spec:
  clusterName: kept
  providerSpec: {vcpu: 1, memoryMiB: 96, imageURI: ${here().lab.imagePath}}
`;

  test('gets no new machine if that would take what is reserved', async () => {
    const input = manifestOf(', reserved: {memoryMiB: 100000000}');
    const { exitCode, stderr } = await here().caplv.run(['apply', '-f', '-'], {
      input: input.replace(', unschedulable: true', ', reserved: {vcpu: 100000}'),
    });
    expect(stderr).toMatch(
      /spec\.providerSpec\.memoryMiB: no host has 96 MiB of memory and 1 vCPUs left: rack1 has \d+ MiB and 0 vCPUs, rack2 has 0 MiB \[InsufficientCapacity\]/,
    );
    expect(exitCode).toBe(1);
  });

  test('gets none while it is unschedulable, and keeps those that it has', async () => {
    expect(await here().caplv.run(['apply', '-f', '-'], { input: manifestOf('') })).toMatchObject({
      exitCode: 0,
    });
    const { status } = await here().machine('kept');
    expect(status.providerStatus.pinned.uri).toBe(here().lab.hosts[1]?.uri);
    expect(await here().domains()).toEqual([]);
    const cordoned = manifestOf(', unschedulable: true');
    expect(await here().caplv.run(['apply', '-f', '-'], { input: cordoned })).toMatchObject({ exitCode: 0 });
    expect(await here().caplv.run(['delete', '-f', '-', '--now'], { input: cordoned })).toMatchObject({
      exitCode: 0,
    });
  });
});
