/** Verifies that the controller holds back repairs and deletions when a host or many machines look lost. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ClusterLab } from '../cluster/cluster-lab.ts';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { record } from './record.ts';

const soon = { timeout: 120_000, interval: 100 };

let lab: ClusterLab;
let controller: ControllerProcess;

beforeAll(async () => {
  lab = await ClusterLab.up('drift-faults');
  controller = await ControllerProcess.start(lab.env());
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

afterEach(async () => {
  await lab.kubectl('delete', 'machinesets,machines', '--all', '--wait=true');
});

const events = (name: string) =>
  lab.kubectl('get', 'events', '-o', 'wide', '--field-selector', `involvedObject.name=${name}`);
const condition = async (name: string, type: string) =>
  (await lab.get(name))?.status?.conditions?.find((one) => one.type === type);

function set(replicas: number): object {
  const { spec } = lab.machine('x') as { spec: object };
  const labels = { app: 'fleet' };
  return {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'MachineSet',
    metadata: { name: 'fleet', namespace: 'default' },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}

const readyOfSet = () =>
  lab.kubectl('get', 'machineset', 'fleet', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}');

describe('a host that lost everything', () => {
  it('gets its machines back after a person approves, and none before', async (context) => {
    const names = ['fleet-0', 'fleet-1', 'fleet-2', 'fleet-3'];
    await lab.apply(set(4));
    await expect.poll(readyOfSet, soon).toBe('AsSpecified');
    // Like another, empty libvirt behind the same URI: the controller finds it at its first reconcile.
    await controller.stop();
    for (const name of names) await lab.virsh('undefine', `default.${name}`);
    for (const volume of (await lab.host()).volumes)
      await lab.virsh('vol-delete', volume, '--pool', 'default');
    controller = await ControllerProcess.start(lab.env());
    for (const name of names) await expect.poll(() => lab.ready(name), soon).toBe('False RepairsHeld');
    expect(await lab.host()).toEqual({ domains: [], volumes: [] });
    expect((await condition('fleet-0', 'Drifted'))?.message).toContain('4 of 4 machines of host');
    expect(await lab.kubectl('get', 'machines', '-o', 'name')).toHaveLength(
      names.map((name) => `machine.cluster-api.k8s.io/${name}`).join('\n').length,
    );
    const until = new Date(Date.now() + 90_000).toISOString();
    await lab.kubectl('annotate', 'machineset', 'fleet', `cluster-api.k8s.io/proceed-until=${until}`);
    await expect.poll(readyOfSet, soon).toBe('AsSpecified');
    expect((await lab.host()).domains).toEqual(names.map((name) => `default.${name}`));
    record(context, {
      fault: 'all domains and volumes of a host are gone',
      seen: 'Ready=False RepairsHeld on every Machine',
      outcome: 'nothing is made or deleted; after `proceed-until` on the MachineSet all are created again',
    });
  });

  it('creates the first lost domain again, and waits for approval with the second', async (context) => {
    await lab.apply(set(4));
    await expect.poll(readyOfSet, soon).toBe('AsSpecified');
    await controller.stop();
    controller = await ControllerProcess.start(lab.env());
    await lab.virsh('undefine', 'default.fleet-2');
    await expect.poll(() => events('fleet-2'), soon).toContain('Repaired');
    await lab.virsh('undefine', 'default.fleet-3');
    await expect.poll(() => lab.ready('fleet-3'), soon).toBe('False RepairsHeld');
    record(context, {
      fault: 'domains of a host are undefined one after the other',
      seen: 'Ready=False RepairsHeld from the second on',
      outcome: 'the first is created again on its disks, the others wait for approval',
    });
  });
});

describe('a MachineSet with many more machines than it was asked for', () => {
  it('deletes none of them', async (context) => {
    await lab.apply(set(1));
    await expect.poll(readyOfSet, soon).toBe('AsSpecified');
    const strays = ['stray-a', 'stray-b', 'stray-c'];
    // They are to be there all at once.
    await lab.kubectl('annotate', 'machineset', 'fleet', 'cluster-api.k8s.io/paused=');
    await expect.poll(readyOfSet, soon).toBe('Paused');
    await lab.apply(...strays.map((name) => lab.machine(name, {}, { labels: { app: 'fleet' } })));
    await lab.kubectl('annotate', 'machineset', 'fleet', 'cluster-api.k8s.io/paused-');
    await expect.poll(readyOfSet, soon).toBe('TooManyMachines');
    expect(await events('fleet')).toContain('TooManyMachines');
    for (const name of ['fleet-0', ...strays])
      expect((await lab.get(name))?.metadata.deletionTimestamp).toBeUndefined();
    record(context, {
      fault: 'three machines with the labels of a MachineSet of one appear at once',
      seen: 'MachineSet Ready=False TooManyMachines',
      outcome: 'none is deleted until someone says so',
    });
  });
});

describe('deleting a Machine', () => {
  it('whose host is unreachable waits, names both ways to continue, and completes when the host is back', async (context) => {
    await lab.apply(lab.machine('waits'));
    await expect.poll(() => lab.ready('waits'), soon).toMatch(/^True/);
    await lab.lab.hosts[0]?.stopLibvirtd();
    try {
      await lab.kubectl('delete', 'machine', 'waits', '--wait=false');
      const uid = (await lab.get('waits'))?.metadata.uid;
      const ways = new RegExp(`it is tried again until it succeeds; .*give-up-host-objects=${uid}`);
      await expect.poll(async () => (await condition('waits', 'Ready'))?.message, soon).toMatch(ways);
      expect(await lab.ready('waits')).toBe('False LibvirtUnreachable');
    } finally {
      await lab.lab.hosts[0]?.startLibvirtd();
    }
    await expect.poll(() => lab.get('waits'), soon).toBeUndefined();
    expect((await lab.host()).domains).toEqual([]);
    record(context, {
      fault: 'libvirtd away while a Machine is deleted',
      seen: 'Ready=False LibvirtUnreachable, with both ways to continue',
      outcome: 'deleted with all that was its own when libvirtd is back',
    });
  });

  it('whose host is unreachable can give up its objects there, and reports what may be left', async (context) => {
    await lab.apply(lab.machine('given-up'));
    await expect.poll(() => lab.ready('given-up'), soon).toMatch(/^True/);
    const uid = (await lab.get('given-up'))?.metadata.uid ?? '';
    await lab.lab.hosts[0]?.stopLibvirtd();
    try {
      await lab.kubectl('delete', 'machine', 'given-up', '--wait=false');
      await expect.poll(() => lab.ready('given-up'), soon).toBe('False LibvirtUnreachable');
      // The annotation for another object of that name does not count.
      const annotate = (value: string) =>
        lab.kubectl(
          'annotate',
          '--overwrite',
          'machine',
          'given-up',
          `cluster-api.k8s.io/give-up-host-objects=${value}`,
        );
      await annotate('default.given-up');
      expect(await lab.get('given-up')).toBeDefined();
      await annotate(uid);
      await expect.poll(() => lab.get('given-up'), soon).toBeUndefined();
    } finally {
      await lab.lab.hosts[0]?.startLibvirtd();
    }
    const left = `domain default.given-up, volumes default.given-up.${uid.slice(0, 8)}-*`;
    await expect
      .poll(() => events('given-up'), soon)
      .toMatch(new RegExp(`GivenUp .*what may be left on .*: ${left.replaceAll(/[.*]/g, '\\$&')}`));
    expect(await controller.says('Abandoned what a Machine has on its host')).toMatchObject({ names: left });
    expect(await lab.kubectl('get', 'secrets', '-o', 'name')).not.toContain('given-up');
    expect((await lab.host()).domains).toEqual(['default.given-up']);
    await lab.virsh('undefine', 'default.given-up');
    record(context, {
      fault: 'libvirtd away for good while a Machine is deleted',
      seen: 'Ready=False LibvirtUnreachable, with both ways to continue',
      outcome: 'with the annotation the object goes; event and log name what may be left',
    });
  });

  it('whose guest ignores the power button powers it off after the time limit', async (context) => {
    // Nobody listens to the button while it boots.
    await lab.apply(lab.machine('deaf', { running: true, shutdownTimeoutSeconds: 1 }));
    await expect.poll(() => lab.virsh('domstate', 'default.deaf'), soon).toBe('running');
    await expect.poll(() => lab.ready('deaf'), soon).toMatch(/WaitingForAddress|AsSpecified/);
    await lab.kubectl('delete', 'machine', 'deaf', '--wait=true');
    expect((await lab.host()).domains).toEqual([]);
    await expect.poll(() => events('deaf'), soon).toContain('ShutdownTimeout');
    record(context, {
      fault: 'a guest does not shut down when asked',
      seen: 'event ShutdownTimeout',
      outcome: 'powered off after shutdownTimeoutSeconds, and removed',
    });
  });
});
