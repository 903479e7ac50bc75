/** Verifies that the controller detects and repairs machines that were changed outside of it. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sumOf } from '../bench/exposition.ts';
import { metricValue } from '../telemetry/metric-value.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess, type LogLine } from './controller-process.ts';

const soon = { timeout: 120_000, interval: 100 };

let lab: ClusterLab;
let controller: ControllerProcess;
const FLAGS = ['--plan-interval', '5s', '--repair-limit', '100%'];
const ONE_A_HOST = ['--repair-limit', '0%'];

beforeAll(async () => {
  lab = await ClusterLab.up('drift-controller');
  controller = await ControllerProcess.start(lab.env(), FLAGS);
});

afterAll(async () => {
  await controller?.stop();
  await lab?.down();
});

afterEach(async () => {
  await lab.kubectl('delete', 'machines', '--all', '--wait=true');
});

async function make(name: string, spec: object = {}, more: object = {}): Promise<void> {
  const machine = lab.machine(name, spec) as { spec: object };
  await lab.apply({ ...machine, spec: { ...machine.spec, ...more } });
  await expect.poll(() => lab.ready(name), soon).toMatch(/^True/);
}

const domainOf = (name: string) => `default.${name}`;

async function drifted(
  name: string,
): Promise<{ status: string; reason: string; message: string } | undefined> {
  return (await lab.get(name))?.status?.conditions?.find(({ type }) => type === 'Drifted');
}

const reason = async (name: string) => (await drifted(name))?.reason;
const message = async (name: string) => (await drifted(name))?.message;
const events = (name: string) => lab.kubectl('describe', 'machine', name);
const uuid = (name: string) => lab.virsh('domuuid', domainOf(name));

async function lose(name: string): Promise<void> {
  await lab.virsh('undefine', domainOf(name));
}

const volumesOf = async (name: string) =>
  (await lab.host()).volumes.filter((volume) => volume.startsWith(`${domainOf(name)}.`));

describe('a machine that another person', () => {
  it('stopped is started again, and events of the Machine report both', async () => {
    await make('stopped', { running: true });
    await lab.virsh('destroy', domainOf('stopped'));
    await expect.poll(() => events('stopped'), soon).toMatch(/Repaired .*the domain is shutoff; took/);
    expect(await events('stopped')).toMatch(/Drifted .*the domain is shutoff \(destroyed\)/);
    expect(await lab.virsh('domstate', domainOf('stopped'))).toBe('running');
    expect(await drifted('stopped')).toMatchObject({ status: 'False', reason: 'AsSpecified' });
    const metrics = await controller.fetch('/metrics');
    expect(metricValue(metrics, 'caplv_drift_detected_total{kind="stopped"}')).toBeGreaterThan(0);
    expect(metricValue(metrics, 'caplv_repairs_total{kind="stopped",result="done"}')).toBeGreaterThan(0);
  });

  it('stops again and again is started less and less often, and its condition says when', async () => {
    await make('looping', { running: true });
    for (let stop = 0; stop < 2; stop++) {
      await expect.poll(() => lab.virsh('domstate', domainOf('looping')), soon).toBe('running');
      await lab.virsh('destroy', domainOf('looping'));
    }
    await expect.poll(() => reason('looping'), soon).toBe('CrashLoopBackOff');
    expect(await message('looping')).toMatch(/repaired 1 times in a row, last at .*; the next try is at /);
    expect(await lab.ready('looping')).toBe('False CrashLoopBackOff');
    await expect.poll(() => lab.virsh('domstate', domainOf('looping')), soon).toBe('running');
    await expect.poll(() => reason('looping'), soon).toBe('AsSpecified');
    expect((await lab.get('looping'))?.status?.providerStatus?.repairs?.count).toBe(2);
  });

  it('paused stays paused, and is not ready', async () => {
    await make('paused', { running: true });
    await lab.virsh('suspend', domainOf('paused'));
    await expect.poll(() => lab.ready('paused'), soon).toBe('False NotRepaired');
    expect(await message('paused')).toContain('virsh resume default.paused');
    await lab.virsh('resume', domainOf('paused'));
    await expect.poll(() => lab.ready('paused'), soon).toMatch(/^True/);
  });

  it('undefined is created again on its old disk', async () => {
    await make('undefined');
    const volumes = await volumesOf('undefined');
    await lose('undefined');
    await expect.poll(() => events('undefined'), soon).toMatch(/Repaired .*the domain is gone/);
    expect(await volumesOf('undefined')).toEqual(volumes);
    expect((await lab.get('undefined'))?.status?.providerStatus?.lastRecreated).toBeDefined();
  });

  it('undefined with its root disk is created again from the image', async () => {
    await make('rootless');
    const [root = ''] = (await volumesOf('rootless')).filter((volume) => volume.includes('root'));
    await lab.virsh('vol-delete', root, '--pool', 'default');
    await lose('rootless');
    await expect.poll(() => events('rootless'), soon).toMatch(/Repaired .*the domain is gone/);
    expect(await volumesOf('rootless')).toContain(root);
  });

  it('stopped and without its root disk is created again from the image', async () => {
    await make('robbed', { running: true });
    const before = await uuid('robbed');
    const [root = ''] = (await volumesOf('robbed')).filter((volume) => volume.includes('root'));
    await lab.virsh('vol-delete', root, '--pool', 'default');
    // The domain still runs, on a file that was unlinked.
    await expect.poll(() => reason('robbed'), soon).toBe('NotRepaired');
    expect(await uuid('robbed')).toBe(before);
    await lab.virsh('destroy', domainOf('robbed'));
    await expect.poll(() => lab.ready('robbed'), soon).toMatch(/^True/);
    expect(await volumesOf('robbed')).toContain(root);
    expect(await uuid('robbed')).not.toBe(before);
  });

  it('moved to another network is reported, and waits for approval, since the domain must be replaced', async () => {
    await make('moved');
    await lab.defineNetwork('elsewhere');
    const before = await uuid('moved');
    const xml = (await lab.virsh('dumpxml', domainOf('moved'))).replace(
      "<source network='default'/>",
      "<source network='elsewhere'/>",
    );
    await lab.define(xml);
    // No event tells of it but `defined`.
    await expect.poll(() => reason('moved'), soon).toBe('NotRepaired');
    expect(await message('moved')).toMatch(
      /^interface 0 is on elsewhere, not on default; .*replace libvirt_domain.machine/,
    );
    const id = (await lab.get('moved'))?.status?.providerStatus?.lastPlan?.id;
    await lab.kubectl('annotate', 'machine', 'moved', `cluster-api.k8s.io/approve-plan=${id}`);
    await expect.poll(() => lab.ready('moved'), soon).toMatch(/^True/);
    expect(await uuid('moved')).not.toBe(before);
  });
});

describe('an unchanged machine', () => {
  it('is checked without a terraform run and without a write', async () => {
    await make('calm', { disks: [{ name: 'data', sizeGB: 1 }] });
    const counts = async () => {
      const metrics = await controller.fetch('/metrics');
      const isPlan = (labels: string) => labels.includes('verb="plan"');
      return {
        compared: metricValue(metrics, 'caplv_periodic_plans_total{result="same"}'),
        runs: sumOf(metrics, 'caplv_terraform_run_duration_seconds_count', isPlan),
        version: (await lab.get('calm'))?.metadata.resourceVersion,
      };
    };
    const made = await counts();
    // The first plan says that nothing changes, and what it went by.
    await expect.poll(async () => (await counts()).compared, soon).toBeGreaterThan(made.compared);
    const before = await counts();
    expect(before.runs).toBe(made.runs + 1);
    await expect.poll(async () => (await counts()).compared, soon).toBeGreaterThan(before.compared + 1);
    expect(await counts()).toMatchObject({ runs: before.runs, version: before.version });
    const metrics = await controller.fetch('/metrics');
    expect(metricValue(metrics, 'caplv_periodic_plan_runs_total{reason="first"}')).toBeGreaterThan(0);

    const [disk = ''] = (await volumesOf('calm')).filter((volume) => volume.includes('disk-data'));
    await lab.virsh('vol-delete', disk, '--pool', 'default');
    await expect.poll(() => message('calm'), soon).toContain(`volume ${disk} is gone`);
    const after = await controller.fetch('/metrics');
    const isNews = (labels: string) => /reason="(differs|failed)"/.test(labels);
    expect(sumOf(after, 'caplv_periodic_plan_runs_total', isNews)).toBeGreaterThan(0);
  });
});

describe('a data disk that is missing', () => {
  const disks = { disks: [{ name: 'data', sizeGB: 1 }] };

  async function loseDisk(name: string): Promise<string> {
    const [disk = ''] = (await volumesOf(name)).filter((volume) => volume.includes('disk-data'));
    await lab.virsh('vol-delete', disk, '--pool', 'default');
    return disk;
  }

  it('is reported by the periodic plan, and not replaced by an empty disk', async () => {
    await make('diskless', disks);
    const disk = await loseDisk('diskless');
    await expect.poll(() => reason('diskless'), soon).toBe('NotRepaired');
    expect(await message('diskless')).toMatch(
      /^volume default\.diskless\.\w+-disk-data\.qcow2 is gone; the change would create volume .* again, without its lost data/,
    );
    expect(await lab.ready('diskless')).toMatch(/^False/);
    expect(await volumesOf('diskless')).not.toContain(disk);
  });

  it('is created again, empty, by repair: Always', async () => {
    await make('always', disks, { repair: 'Always' });
    const disk = await loseDisk('always');
    await expect.poll(() => events('always'), soon).toMatch(/Repaired .*disk-data.qcow2 is gone/);
    expect(await volumesOf('always')).toContain(disk);
  });

  it('that somebody made again too small is grown, and not replaced', async () => {
    await make('small', disks, { repair: 'Always' });
    const disk = await loseDisk('small');
    await lab.virsh('vol-create-as', 'default', disk, '512M', '--format', 'qcow2');
    const capacity = async () =>
      /Capacity: +(.*)/.exec(await lab.virsh('vol-info', disk, '--pool', 'default'))?.[1];
    await expect.poll(capacity, soon).toBe('1.00 GiB');
    await expect.poll(() => events('small'), soon).toMatch(/DiskGrown .*grew disk data in place to 1 GB/);
  });

  it('that the specification no longer names is not deleted by an approval that does not name it', async () => {
    await make('kept', disks);
    const [disk = ''] = (await volumesOf('kept')).filter((volume) => volume.includes('disk-data'));
    await lab.apply(lab.machine('kept', { disks: [] }));
    await expect.poll(() => lab.ready('kept'), soon).toBe('False ReplaceRefused');
    const plan = async () => (await lab.get('kept'))?.status?.providerStatus?.lastPlan;
    const refused = await plan();
    const annotate = (...values: string[]) =>
      lab.kubectl('annotate', '--overwrite', 'machine', 'kept', ...values);
    const approval = `cluster-api.k8s.io/approve-plan=${refused?.id}`;
    const isRefusal = ({ errorCode, object }: LogLine) =>
      errorCode === 'ReplaceRefused' && (object?.includes('kept') ?? false);
    const refusals = () => controller.lines.filter(isRefusal).length;
    const before = refusals();
    await annotate(approval, 'cluster-api.k8s.io/approve-disks=root');
    await expect.poll(refusals, soon).toBeGreaterThan(before);
    expect(await volumesOf('kept')).toContain(disk);
    await annotate('cluster-api.k8s.io/approve-disks=root,data');
    await expect.poll(() => volumesOf('kept'), soon).not.toContain(disk);
    await expect.poll(() => lab.ready('kept'), soon).toMatch(/^True/);
  });

  it('prevents the machine from being created again when its domain is missing too', async () => {
    await make('both', disks);
    await loseDisk('both');
    await lose('both');
    await expect.poll(() => lab.ready('both'), soon).toBe('False ReplaceRefused');
    expect((await lab.host()).domains).not.toContain(domainOf('both'));
  });
});

describe('repair: Never', () => {
  it('reports drift, and changes nothing', async () => {
    await make('never', { running: true }, { repair: 'Never' });
    await lab.virsh('destroy', domainOf('never'));
    await expect.poll(() => lab.ready('never'), soon).toBe('False NotRepaired');
    expect(await message('never')).toBe('the domain is shutoff (destroyed); spec.repair is Never');
    expect(await lab.virsh('domstate', domainOf('never'))).toBe('shut off');
    await lab.virsh('start', domainOf('never'));
    await expect.poll(() => lab.ready('never'), soon).toMatch(/^True/);
    expect(await drifted('never')).toMatchObject({ status: 'False' });
  });
});

describe('several machines of a host that are lost within a short time', () => {
  it('are not created again except the first, also after a restart, until a person approves', async () => {
    await controller.stop();
    controller = await ControllerProcess.start(lab.env(), ONE_A_HOST);
    const names = ['fleet-a', 'fleet-b', 'fleet-c'];
    for (const name of names) await make(name);
    await lose('fleet-a');
    await expect.poll(() => events('fleet-a'), soon).toMatch(/Repaired/);
    await lose('fleet-b');
    await expect.poll(() => lab.ready('fleet-b'), soon).toBe('False RepairsHeld');
    expect(await message('fleet-b')).toMatch(
      /2 of \d machines of host .* and 1 may be: nothing more is repaired there/,
    );
    expect(await events('fleet-b')).toMatch(/Warning +RepairsHeld/);
    await controller.stop();
    await lose('fleet-c');
    controller = await ControllerProcess.start(lab.env(), ONE_A_HOST);
    await expect.poll(() => lab.ready('fleet-c'), soon).toBe('False RepairsHeld');
    expect((await lab.host()).domains).toEqual([domainOf('fleet-a')]);

    const until = new Date(Date.now() + 60_000).toISOString();
    await lab.kubectl('annotate', 'machine', 'fleet-b', `cluster-api.k8s.io/proceed-until=${until}`);
    await expect.poll(() => lab.ready('fleet-b'), soon).toMatch(/^True/);
    expect(await lab.ready('fleet-c')).toBe('False RepairsHeld');
  });
});
