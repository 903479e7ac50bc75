/** Verifies the life of one machine from plan to delete. Each test continues from the one before. */

import { readFile, stat } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { GuestConsole } from '../lab/guest-console.ts';
import { machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('life');

describe('the life of a machine', () => {
  const node = (spec: object = {}) =>
    machine('node', { ...here().image, running: true, userData: '#cloud-config\nhostname: node\n', ...spec });

  test('plan shows what apply would create, and creates nothing', async () => {
    const { exitCode, stdout } = await here().plan([node()]);
    expect(stdout).toBe(`machine/node: create
  + libvirt_domain.machine
  + libvirt_volume.root
  + libvirt_volume.seed
  + terraform_data.base_image
  + terraform_data.shape`);
    expect(exitCode).toBe(2);
    expect(await here().stateFiles()).toEqual([]);
    expect(await here().volumes()).toEqual([]);
  });

  test('apply --wait returns when the guest has an address', async () => {
    const { exitCode, stdout, stderr } = await here().apply([node()], ['--wait=3m']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'machine/node created' });
    expect(stderr).toMatch(/node {2}Running, 192\.168\.122\.\d+\n.*caplv console node/);
  });

  test('get shows it in every format', async () => {
    const { caplv } = here();
    const [header, row, ...more] = (await caplv.read(['get', 'machines'])).split('\n');
    expect(header).toMatch(/^NAME +PHASE +READY +REASON +ADDRESS +HOST +NODE +AGE$/);
    expect(row).toMatch(/^node +Running +True +AsSpecified +192\.168\.122\.\d+ +\S+ +<none> +\d+s$/);
    expect(more).toEqual([]);
    expect(await caplv.read(['get', 'machine', 'node', '-o', 'wide'])).toContain('libvirt:///');
    expect(await caplv.read(['get', 'ma', '-o', 'name'])).toBe('machine/node');

    const one = parse(await caplv.read(['get', 'machine', 'node', '-o', 'yaml']));
    expect(one).toMatchObject({
      kind: 'Machine',
      metadata: { name: 'node', namespace: 'default' },
      spec: {
        providerID: `libvirt:///${one.metadata.uid}`,
        providerSpec: { userData: '(hidden, 29 bytes)' },
      },
      status: {
        phase: 'Running',
        addresses: [{ type: 'InternalIP' }, { type: 'Hostname', address: 'node' }],
        lastOperation: { type: 'Create', state: 'Successful' },
      },
    });
    const list = JSON.parse(await caplv.read(['get', 'machines', '-o', 'json']));
    expect(list).toEqual({ apiVersion: 'v1', kind: 'List', items: [one] });
    expect(await caplv.run(['get', 'machines', '-n', 'other'])).toMatchObject({ exitCode: 0, stdout: '' });
    expect(await caplv.read(['get', 'machines', '-n', 'other', '-A', '-o', 'name'])).toBe('machine/node');
    expect(await caplv.run(['get', 'machine', 'nobody'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('there is no Machine "nobody" in namespace "default" [NotFound]'),
    });
  });

  test('describe shows conditions, addresses, the last operation and what Terraform has', async () => {
    const text = await here().caplv.read(['describe', 'machine', 'node']);
    expect(text).toMatch(/^Phase: +Running$/m);
    expect(text).toMatch(/^Addresses: +192\.168\.122\.\d+ \(InternalIP\), node \(Hostname\)$/m);
    expect(text).toMatch(/^Last operation: +Create Successful at /m);
    expect(text).toMatch(/^ {2}Ready +True +AsSpecified/m);
    expect(text).toMatch(/^ {2}libvirt_domain\.machine +[0-9a-f-]{36}$/m);
    const data = JSON.parse(await here().caplv.read(['describe', 'machine', 'node', '-o', 'json']));
    expect(data.terraform.resources).toHaveLength(5);
  });

  test('the guest has what its seed says, and its console can be reached', async () => {
    const command = await here().caplv.read(['console', 'node', '--print']);
    expect(command).toBe(`virsh --connect '${here().host.uri}' console default.node`);
    const console = await GuestConsole.open(here().host.uri, 'default.node');
    const { metadata, status: seen } = await here().machine('node');
    const shown = ['hostname +node', `instance-id +${metadata.uid}`, `eth0 +${seen.addresses[0].address}`];
    const status = new RegExp(shown.join('\\n +'));
    // Asked again: virsh throws away what is typed before it has set up the terminal.
    const answer = async () => {
      if (!status.test(console.text)) console.send('');
      return console.text;
    };
    await expect.poll(answer, { timeout: 20_000, interval: 500 }).toMatch(status);
    await console.close();
  });

  test('a second apply changes nothing and does not even start terraform', async () => {
    const files = ['terraform.tfstate', 'run.jsonl', 'cdk.tf.json'];
    const times = () =>
      Promise.all(files.map(async (file) => (await stat(here().workspaceFile('node', file))).mtimeMs));
    const before = await times();
    expect(await here().apply([node()], ['--wait'])).toMatchObject({
      exitCode: 0,
      stdout: 'machine/node unchanged',
    });
    expect(await times()).toEqual(before);
    expect(await here().plan([node()])).toMatchObject({ exitCode: 0, stdout: 'machine/node: no changes' });
  });

  test('what libvirt can change in place is changed under the running guest', async () => {
    const id = await here().virsh('domid', 'default.node');
    const { exitCode, stdout } = await here().plan([node({ autostart: true })]);
    expect(stdout).toBe(`machine/node: update
  ~ libvirt_domain.machine
      autostart: false -> true`);
    expect(exitCode).toBe(2);
    expect(await here().apply([node({ autostart: true })])).toMatchObject({
      exitCode: 0,
      stdout: 'machine/node configured',
    });
    expect(await here().virsh('dominfo', 'default.node')).toMatch(/Autostart: +enable/);
    expect(await here().virsh('domid', 'default.node')).toBe(id);
  });

  test('a larger root disk grows under the running guest, and Terraform then sees no changes', async () => {
    const larger = [node({ autostart: true, rootDisk: { sizeGB: 1 } })];
    const id = await here().virsh('domid', 'default.node');
    expect(await here().plan(larger)).toMatchObject({
      exitCode: 2,
      stdout: expect.stringMatching(/^ {2}~ libvirt_volume\.root\n {6}size: \d+ -> 1073741824$/m),
    });
    const { exitCode, stderr } = await here().apply(larger);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('grew disk root in place to 1 GB'),
    });
    // What QEMU shows the guest, and what the volume says of itself.
    expect(await here().virsh('domblkinfo', 'default.node', 'vda')).toMatch(/Capacity: +1073741824/);
    expect(await here().virsh('domid', 'default.node')).toBe(id);
    expect(await here().plan(larger)).toMatchObject({ exitCode: 0, stdout: 'machine/node: no changes' });
  });

  test('stop shuts the guest down, and it stays off when its manifest is applied again', async () => {
    const { caplv } = here();
    const same = [node({ autostart: true, rootDisk: { sizeGB: 1 } })];
    const console = await GuestConsole.open(here().host.uri, 'default.node');
    expect(await caplv.run(['stop', 'node'])).toMatchObject({ exitCode: 0, stdout: 'machine/node stopped' });
    await console.waitFor(/caplv-guest powering off/);
    await console.close();
    const off = /^node +Provisioned +False +Stopped /m;
    expect(await caplv.read(['get', 'machines'])).toMatch(off);
    expect(await here().plan(same)).toMatchObject({
      exitCode: 0,
      stdout: 'machine/node: no changes',
    });
    const applied = await here().apply(same, ['--wait']);
    expect(applied).toMatchObject({ exitCode: 0, stdout: 'machine/node unchanged' });
    expect(applied.stderr).toContain('caplv start node');
    expect(await caplv.read(['get', 'machines'])).toMatch(off);
    expect(await here().virsh('domstate', 'default.node')).toBe('shut off');
    expect(await caplv.run(['reboot', 'node'])).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('machine/node is stopped on purpose'),
    });
  });

  test('start starts it on the same disk, and reboot restarts it once', async () => {
    const { caplv } = here();
    const uuid = await here().virsh('domuuid', 'default.node');
    expect(await caplv.run(['start', 'node', '--wait'])).toMatchObject({
      exitCode: 0,
      stdout: 'machine/node started',
    });
    const id = await here().virsh('domid', 'default.node');
    const console = await GuestConsole.open(here().host.uri, 'default.node');
    const restarted = await caplv.run(['reboot', 'node']);
    await console.waitFor(/caplv-guest powering off/);
    await console.close();
    expect(restarted).toMatchObject({ exitCode: 0, stdout: 'machine/node restarted' });
    const next = await here().virsh('domid', 'default.node');
    expect(next).not.toBe(id);
    expect(await here().virsh('domuuid', 'default.node')).toBe(uuid);
    const status = /^node +\w+ +(True +AsSpecified|False +WaitingForAddress) /m;
    expect(await caplv.read(['get', 'machines'])).toMatch(status);
    // Carried out: neither an apply nor a plan does it again.
    expect(await here().apply([node({ autostart: true })], ['--wait'])).toMatchObject({ exitCode: 0 });
    expect(await here().plan([node({ autostart: true })])).toMatchObject({ exitCode: 0 });
    expect(await here().virsh('domid', 'default.node')).toBe(next);
  });

  test('a guest that does not listen is stopped and restarted by force, with what it had on its disk', async () => {
    const { caplv } = here();
    await here().virsh('suspend', 'default.node');
    const heard = await caplv.run(['stop', 'node']);
    expect(heard.exitCode).toBe(1);
    expect(heard.stderr).toContain('the guest is paused, and so does not shut down [ShutdownTimeout]');
    expect(heard.stderr).toContain('caplv stop NAME --force');
    expect(await caplv.run(['stop', 'node', '--force'])).toMatchObject({ exitCode: 0 });
    expect(await here().virsh('domstate', 'default.node')).toBe('shut off');
    expect(await caplv.run(['start', 'node'])).toMatchObject({ exitCode: 0 });
    await here().virsh('suspend', 'default.node');
    expect(await caplv.run(['reboot', 'node', '--force', '--wait'])).toMatchObject({ exitCode: 0 });
    expect(await here().virsh('domstate', 'default.node')).toBe('running');
  });

  test('a change that would replace the domain is refused, and nothing is changed', async () => {
    const larger = node({ autostart: true, memoryMiB: 160 });
    const planned = await here().plan([larger]);
    expect(planned.stdout).toContain('memory: 128 -> 160  # forces replacement');
    expect(planned.stdout).toContain('! the guest restarts, its disks stay');
    expect(planned.exitCode).toBe(2);

    const state = await readFile(here().workspaceFile('node', 'terraform.tfstate'), 'utf8');
    const xml = await here().virsh('dumpxml', 'default.node');
    const { exitCode, stderr } = await here().apply([larger]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain(
      'machine/node: the change would replace libvirt_domain.machine (forced by memory): the guest restarts, its disks stay [ReplaceRefused]',
    );
    expect(stderr).toContain('fix: allow the restart with --allow-restart');
    expect(await readFile(here().workspaceFile('node', 'terraform.tfstate'), 'utf8')).toBe(state);
    expect(await here().virsh('dumpxml', 'default.node')).toBe(xml);
    expect(await here().machine('node')).toMatchObject({
      status: { phase: 'Running', errorReason: 'ReplaceRefused' },
    });
  });

  test('a refused change of the image does not touch the base image of the running machine', async () => {
    const before = await here().volumes();
    const other = await here().file('other.qcow2', await readFile(here().lab.imagePath));
    expect(await here().apply([node({ autostart: true, imageURI: other })])).toMatchObject({ exitCode: 4 });
    expect(await here().volumes()).toEqual(before);
  });

  test('with --allow-restart the guest restarts with more memory, on its disk and with its MAC address', async () => {
    const mac = async () =>
      (await here().virsh('domiflist', 'default.node')).match(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/)?.[0];
    const before = await mac();
    const { exitCode, stderr } = await here().apply(
      [node({ autostart: true, memoryMiB: 160 })],
      ['--allow-restart'],
    );
    expect(exitCode).toBe(0);
    expect(stderr).toContain('asked the guest to shut down');
    expect(stderr).not.toContain('libvirt_volume');
    expect(await here().virsh('dominfo', 'default.node')).toMatch(/Max memory: +163840 KiB/);
    expect(await mac()).toBe(before);
    expect((await here().machine('node')).status.errorReason).toBeUndefined();
  });

  test('delete asks the guest to shut down, and leaves nothing', async () => {
    await here().apply([node({ autostart: true, memoryMiB: 160 })], ['--wait=3m']);
    const console = await GuestConsole.open(here().host.uri, 'default.node');
    const { exitCode, stdout, stderr } = await here().caplv.run(['delete', 'machine', 'node']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'machine/node deleted' });
    expect(stderr).not.toContain('powering it off');
    // The guest says it when its power button is pressed; a guest that is powered off says nothing.
    await console.waitFor(/caplv-guest powering off/);
    await console.close();
    expect(await here().domains()).toEqual([]);
    expect(await here().volumes()).toEqual([]);
    expect(await here().stateFiles()).toEqual([]);
  });

  test('deleting a missing machine is an error by name, and none by manifest', async () => {
    const { caplv } = here();
    expect(await caplv.run(['delete', 'machine', 'node'])).toMatchObject({ exitCode: 1 });
    expect(await caplv.run(['delete', 'machine', 'node', '--ignore-not-found'])).toMatchObject({
      exitCode: 0,
    });
    expect(await caplv.run(['delete', '-f', '-'], { input: manifest(node()) })).toMatchObject({
      exitCode: 0,
    });
  });
});
