/** Verifies that a command recovers from an earlier one that was interrupted or killed. */

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Libvirt } from '../../src/libvirt/libvirt.ts';
import { nextEvent } from '../libvirt/guest.ts';
import type { RunningCaplv } from './caplv.ts';
import { Gate } from './gate.ts';
import { cluster, type ManifestObject, machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('accidents');

/** What `caplv -v` says once Terraform stands at the gate. */
const AT_GATE = /creating terraform_data\.gate/;

/** A machine of its own for the running test, deleted after it. */
function ownMachine(name: string, spec: object = {}) {
  onTestFinished(async () => {
    await here().caplv.read(['delete', 'machine', name, '--now']);
    expect(await here().domains()).toEqual([]);
    expect(await here().volumes()).toEqual([]);
  });
  return machine(name, { ...here().image, userData: '#cloud-config\n', ...spec });
}

function start(object: ManifestObject): RunningCaplv {
  return here().caplv.start(['apply', '-f', '-', '-v'], {
    input: manifest(object),
  });
}

/** Expects that the machine exists once, and that a plan has no changes. */
async function expectWhole(name: string, object: ManifestObject): Promise<void> {
  expect(await here().domains()).toEqual([`default.${name}`]);
  const volumes = (await here().volumes()).map((volume) => volume.replace(/[0-9a-f]{8,}/g, '…'));
  expect(volumes).toEqual([
    'caplv-image-…-…-guest.qcow2',
    `default.${name}.…-root.qcow2`,
    `default.${name}.…-seed.iso-…`,
  ]);
  const planned = await here().plan([object]);
  expect(planned).toMatchObject({ exitCode: 0, stdout: `machine/${name}: no changes` });
  expect(await here().machine(name)).toMatchObject({
    status: {
      phase: expect.stringMatching(/^(Provisioned|Running)$/),
      lastOperation: { state: 'Successful' },
    },
  });
}

async function runOf(name: string): Promise<{ terraform: number; provider: number }> {
  const { run } = JSON.parse(await readFile(here().workspaceFile(name, 'caplv.lock'), 'utf8'));
  const environment = await readFile(`/proc/${run.pid}/environ`, 'utf8');
  const [, reattach = '{}'] = /(?:^|\0)TF_REATTACH_PROVIDERS=([^\0]+)/.exec(environment) ?? [];
  const [{ Pid: provider }] = Object.values(JSON.parse(reattach)) as [{ Pid: number }];
  return { terraform: run.pid, provider };
}

interface BrokenApply {
  readonly caplv: RunningCaplv;
  readonly run: { readonly terraform: number; readonly provider: number };
}

/** An apply up to the moment at which libvirt has the domain, and Terraform does not know it yet. */
async function applyUntilDefined(name: string, object: ManifestObject): Promise<BrokenApply> {
  const controller = new AbortController();
  const events = new Libvirt({ uri: here().host.uri }).events(controller.signal)[Symbol.asyncIterator]();
  await nextEvent(events, ({ kind }) => kind === 'connected');
  const caplv = start(object);
  const defined = nextEvent(events, (event) => event.kind === 'lifecycle' && event.change === 'defined');
  await caplv.says(/creating libvirt_domain\.machine/);
  const run = await runOf(name);
  await defined;
  controller.abort();
  return { caplv, run };
}

async function killEverything({ caplv, run }: BrokenApply): Promise<void> {
  process.kill(run.terraform, 'SIGKILL');
  process.kill(run.provider, 'SIGKILL');
  caplv.kill();
  await Promise.all([caplv.result, gone(run.terraform)]);
}

/** Waits for the end of a process that is not our child. */
async function gone(pid: number): Promise<void> {
  await execa('tail', ['--pid', String(pid), '--sleep-interval=0.02', '-f', '/dev/null']);
}

describe('a caplv that is stopped in the middle of an apply', () => {
  test('Ctrl-C lets the running operation end, and the next call has nothing left to do', async () => {
    const gate = await Gate.make(join(here().directory, 'ctrl-c'));
    const object = ownMachine('ctrl-c', { terraform: gate.beforeDomain() });
    const caplv = start(object);
    await caplv.says(AT_GATE);
    caplv.interrupt();
    await caplv.says(/waiting for the running operation to end/);
    expect(await here().domains()).toEqual([]);
    await gate.open();
    expect(await caplv.result).toMatchObject({ exitCode: 0 });
    expect(await here().apply([object])).toMatchObject({ exitCode: 0, stdout: 'machine/ctrl-c unchanged' });
    await expectWhole('ctrl-c', object);
  });

  test('Ctrl-C while it waits for an address ends it at once, and the machine stays', async () => {
    const object = ownMachine('waiting', { running: true });
    const caplv = here().caplv.start(['apply', '-f', '-', '--wait'], { input: manifest(object) });
    await caplv.says(/started; waiting for its address/);
    caplv.interrupt();
    const { exitCode, stderr } = await caplv.result;
    expect(exitCode).toBe(130);
    expect(stderr).toContain('waiting: interrupted; the running operation has ended [Interrupted]');
    expect(await here().virsh('domstate', 'default.waiting')).toBe('running');
  });

  test('a second Ctrl-C exits at once; Terraform ends on its own, and the next call waits for it', async () => {
    const gate = await Gate.make(join(here().directory, 'twice'));
    const object = ownMachine('twice', { terraform: gate.beforeDomain() });
    const caplv = start(object);
    await caplv.says(AT_GATE);
    caplv.interrupt();
    await caplv.says(/waiting for the running operation to end/);
    caplv.interrupt();
    expect(await caplv.result).toMatchObject({ exitCode: 130 });

    const next = start(object);
    await next.says(/waiting for a terraform left running by a killed caplv/);
    await gate.open();
    expect(await next.result).toMatchObject({ exitCode: 0 });
    await expectWhole('twice', object);
  });

  test('SIGKILL of caplv: the next call waits for the Terraform that still runs, and continues from there', async () => {
    const gate = await Gate.make(join(here().directory, 'killed'));
    const object = ownMachine('killed', { terraform: gate.afterDomain() });
    const caplv = start(object);
    await caplv.says(AT_GATE);
    caplv.kill();
    await caplv.result;
    const domain = await here().virsh('domuuid', 'default.killed');

    const next = start(object);
    await next.says(/waiting for a terraform left running by a killed caplv/);
    await gate.open();
    expect(await next.result).toMatchObject({ exitCode: 0 });
    await expectWhole('killed', object);
    expect(await here().virsh('domuuid', 'default.killed')).toBe(domain);
  });

  test('SIGKILL of caplv: the domain that its Terraform created is in use, and a change that would replace it is refused', async () => {
    const gate = await Gate.make(join(here().directory, 'guarded'));
    const object = ownMachine('guarded', { terraform: gate.afterDomain() });
    const caplv = start(object);
    await caplv.says(AT_GATE);
    const run = await runOf('guarded');
    caplv.kill();
    await caplv.result;
    await gate.open();
    await gone(run.terraform);
    const domain = await here().virsh('domuuid', 'default.guarded');

    const larger = machine('guarded', { ...here().image, userData: '#cloud-config\n', vcpu: 2 });
    expect(await here().apply([larger])).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('ReplaceRefused'),
    });
    expect(await here().virsh('domuuid', 'default.guarded')).toBe(domain);
  });

  test('SIGKILL of Terraform and provider: the same call removes the leftovers and starts again', async () => {
    const object = ownMachine('terraform', { running: true });
    const { caplv, run } = await applyUntilDefined('terraform', object);
    process.kill(run.terraform, 'SIGKILL');
    process.kill(run.provider, 'SIGKILL');
    const { exitCode, stderr } = await caplv.result;
    expect(stderr).toContain('removed what an interrupted run left: default.terraform\n');
    expect(exitCode).toBe(0);
    await expectWhole('terraform', object);
  });

  test('SIGKILL of everything, as in a power failure: the next call completes the apply', async () => {
    const object = ownMachine('everything', { running: true });
    await killEverything(await applyUntilDefined('everything', object));
    expect(await here().domains()).toEqual(['default.everything']);
    const { exitCode, stderr } = await here().apply([object]);
    expect(stderr).toContain('removed what an interrupted run left: default.everything\n');
    expect(exitCode).toBe(0);
    await expectWhole('everything', object);
  });

  test('SIGKILL of everything: a delete leaves nothing', async () => {
    const object = machine('nothing', { ...here().image, running: true });
    await killEverything(await applyUntilDefined('nothing', object));
    await here().caplv.read(['delete', 'machine', 'nothing', '--now']);
    expect(await here().domains()).toEqual([]);
    expect(await here().volumes()).toEqual([]);
    expect(await here().stateFiles()).toEqual([]);
  });
});

describe('two installations on one host', () => {
  test('a machine of the same name keeps its fixed address when the other is refused, and deleted', async () => {
    const interfaces = [{ network: 'default', addresses: ['192.168.122.77'] }];
    const object = ownMachine('shared', { interfaces });
    const reserved = async () => (await here().virsh('net-dumpxml', 'default')).includes('192.168.122.77');
    expect(await here().apply([object])).toMatchObject({ exitCode: 0 });
    expect(await reserved()).toBe(true);

    const env = { CAPLV_STATE_DIR: join(here().directory, 'elsewhere') };
    expect(await here().apply([object], [], env)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('reserved for Machine "default/shared" of another installation'),
    });
    expect(await reserved()).toBe(true);
    expect(await here().caplv.run(['delete', 'machine', 'shared', '--now'], { env })).toMatchObject({
      exitCode: 0,
    });
    expect(await reserved()).toBe(true);
    expect(await here().domains()).toEqual(['default.shared']);
  });
});

describe('two calls at the same time', () => {
  test('on the same machine: the second names the holder of the lock, and the machine is created once', async () => {
    const gate = await Gate.make(join(here().directory, 'same'));
    const object = ownMachine('same', { terraform: gate.beforeDomain() });
    const first = start(object);
    await first.says(AT_GATE);
    const second = start(object);
    await second.says(new RegExp(`waiting for root@\\S+, process ${first.pid} \\(create, since `));
    await gate.open();
    expect(await first.result).toMatchObject({ exitCode: 0 });
    const { exitCode, stderr } = await second.result;
    expect(exitCode).toBe(0);
    expect(stderr).not.toMatch(/created libvirt_/);
    await expectWhole('same', object);
  });

  test('on two machines: neither waits for the other, and their image is imported once', async () => {
    const gate = await Gate.make(join(here().directory, 'two'));
    const [left, right] = [
      machine('left', { ...here().image, terraform: gate.beforeDomain() }),
      machine('right', { ...here().image, terraform: gate.beforeDomain() }),
    ];
    const calls = [start(left), start(right)];
    await Promise.all(calls.map((call) => call.says(AT_GATE)));
    await gate.open();
    const results = await Promise.all(calls.map(({ result }) => result));
    expect(results).toMatchObject([{ exitCode: 0 }, { exitCode: 0 }]);
    expect(await here().domains()).toEqual(['default.left', 'default.right']);
    const images = (await here().volumes()).filter((volume) => volume.startsWith('caplv-image-'));
    expect(images).toHaveLength(1);

    const deletions = ['left', 'right'].map((name) => here().caplv.run(['delete', 'machine', name]));
    expect(await Promise.all(deletions)).toMatchObject([{ exitCode: 0 }, { exitCode: 0 }]);
    expect(await here().volumes()).toEqual([]);
    expect(await here().stateFiles()).toEqual([]);
  });
});

test('objects that an earlier version accepted, and this one refuses, are reported as invalid, and can be deleted', async () => {
  const path = join(here().directory, 'pool');
  const pool = cluster('earlier', { pool: { name: 'earlier', path } });
  const one = machine('earlier', here().image);
  expect(await here().apply([pool, one])).toMatchObject({ exitCode: 0 });
  const stored = (kind: string) => join(here().stateDir, 'objects', kind, 'default', 'earlier.json');
  const change = async (kind: string, from: string, to: string) => {
    const text = await readFile(stored(kind), 'utf8');
    expect(text).toContain(from);
    await writeFile(stored(kind), text.replaceAll(from, to));
  };
  await change('clusters', '"providerSpec": {', '"providerSpec": { "earlier": true,');
  await change('machines', '"vcpu": 1', '"vcpu": 1, "machineType": "pc,accel=tcg"');

  // A machine of its Cluster is refused, and removes nothing; others on the host are not affected.
  const refused = await here().apply([machine('other', here().image)]);
  expect(refused.stderr).toMatch(/providerSpec\.earlier.*\[InvalidConfiguration\]/);
  await here().caplv.read(['delete', 'machine', 'other', '--ignore-not-found']);
  const apart = { ...machine('other', here().image), metadata: { name: 'other', namespace: 'apart' } };
  expect(await here().apply([apart])).toMatchObject({ exitCode: 0 });
  await here().caplv.read(['delete', 'machine', 'other', '--namespace', 'apart', '--now']);
  expect(await here().virsh('pool-list', '--name')).toContain('earlier');
  expect(await here().domains()).toEqual(['default.earlier']);

  for (const kind of ['machine', 'cluster']) await here().caplv.read(['delete', kind, 'earlier', '--now']);
  expect(await here().domains()).toEqual([]);
  expect(await here().virsh('pool-list', '--all', '--name')).not.toContain('earlier');
  expect(existsSync(path)).toBe(false);
  expect(await here().stateFiles()).toEqual([]);
});
