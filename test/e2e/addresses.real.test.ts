/** Verifies fixed addresses, MAC addresses and the reported addresses of guests. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { type ManifestObject, machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('addresses');

const RUNNING = { running: true, memoryMiB: 96 };

/** Deleted after the test, with all that it had on the host. */
function own(name: string, interfaces: readonly object[], more: object = {}): ManifestObject {
  onTestFinished(async () => {
    await here().caplv.read(['delete', 'machine', name, '--now', '--ignore-not-found']);
  });
  return machine(name, { ...here().image, interfaces, ...more });
}

/** `IP name`, as libvirt has them for later starts of the network. */
async function reservations(...flags: readonly string[]): Promise<string[]> {
  const xml = await here().virsh('net-dumpxml', 'default', ...flags);
  const attribute = (entry: string, name: string) => new RegExp(`${name}='([^']*)'`).exec(entry)?.[1];
  return (xml.match(/<host .*\/>/g) ?? []).map(
    (entry) => `${attribute(entry, 'ip')} ${attribute(entry, 'name')}`,
  );
}

async function macs(name: string): Promise<string[]> {
  const list = await here().virsh('domiflist', name);
  return list.match(/[0-9a-f]{2}(:[0-9a-f]{2}){5}/g) ?? [];
}

describe('a fixed address', () => {
  test('of another Machine, or its host name, is refused with its owner before anything is created', async () => {
    const owner = own('owner', [{ addresses: ['192.168.122.20'] }]);
    expect(await here().apply([owner])).toMatchObject({ exitCode: 0 });
    const volumes = await here().volumes();
    const thief = own('thief', [{ addresses: ['192.168.122.20'] }]);
    const refusal =
      /interfaces\[0\]\.addresses\[0\]: 192\.168\.122\.20 in network "default" is reserved for Machine "default\/owner" \[AddressInUse\]/;
    expect((await here().plan([thief])).stderr).toMatch(refusal);
    expect(await here().apply([thief])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(refusal),
    });
    const alike = own('alike', [{ addresses: ['192.168.122.21'], hostname: 'owner' }]);
    expect((await here().apply([alike])).stderr).toMatch(
      /interfaces\[0\]\.hostname: owner in network "default" is reserved for Machine "default\/owner"/,
    );
    expect(await here().volumes()).toEqual(volumes);
    await here().caplv.read(['delete', 'machine', 'thief', 'alike', '--now']);
    expect(await reservations()).toEqual(['192.168.122.20 owner']);
    expect(await here().plan([owner])).toMatchObject({ exitCode: 0 });
  });

  test('that a person has reserved for something else stays reserved', async () => {
    const entry = "<host mac='52:54:00:11:11:11' name='printer' ip='192.168.122.22'/>";
    const update = (verb: string) =>
      here().virsh('net-update', 'default', verb, 'ip-dhcp-host', entry, '--config');
    await update('add');
    onTestFinished(() => update('delete').then(() => {}));
    expect((await here().apply([own('late', [{ addresses: ['192.168.122.22'] }])])).stderr).toMatch(
      /is reserved for host "printer" \(MAC 52:54:00:11:11:11\).*\[AddressInUse\]\n {2}fix: use another address, or remove it/,
    );
    expect(await reservations('--inactive')).toEqual(['192.168.122.22 printer']);
  });

  test.each([
    ['10.0.0.5', 'lies outside of network "default"'],
    ['192.168.122.1', "is the host's own address"],
    ['192.168.122.255', 'is the last address'],
  ])('%s, which the network cannot give, is refused', async (address, why) => {
    const { exitCode, stderr } = await here().apply([own('unfit', [{ addresses: [address] }])]);
    expect(stderr).toContain(`spec.providerSpec.interfaces[0].addresses[0]: ${address} ${why}`);
    expect(exitCode).toBe(3);
    expect(await here().domains()).toEqual([]);
  });

  test('is reserved again after a person removed its reservation', async () => {
    const object = own('kept', [{ addresses: ['192.168.122.23'] }]);
    expect(await here().apply([object])).toMatchObject({ exitCode: 0 });
    const uuid = await here().virsh('domuuid', 'default.kept');
    for (const flag of ['--live', '--config']) {
      await here().virsh(
        'net-update',
        'default',
        'delete',
        'ip-dhcp-host',
        "<host ip='192.168.122.23'/>",
        flag,
      );
      expect(await here().apply([object])).toMatchObject({ exitCode: 0 });
      expect(await reservations()).toEqual(['192.168.122.23 kept']);
      expect(await reservations('--inactive')).toEqual(['192.168.122.23 kept']);
    }
    expect(await here().virsh('domuuid', 'default.kept')).toBe(uuid);
  });

  test('that changes, or is dropped, leaves no reservation behind', async () => {
    const at = (interfaces: readonly object[]) =>
      here().apply([own('moves', interfaces)], ['--allow-replace']);
    await at([{ addresses: ['192.168.122.24'] }]);
    expect(await at([{ addresses: ['192.168.122.25'] }])).toMatchObject({ exitCode: 0 });
    expect(await reservations()).toEqual(['192.168.122.25 moves']);
    expect(await at([{}])).toMatchObject({ exitCode: 0 });
    expect(await reservations()).toEqual([]);
  });

  test('is assigned to each of two interfaces in one network', async () => {
    const both = [{ addresses: ['192.168.122.26'] }, { addresses: ['192.168.122.27'] }];
    const object = own('two', both, RUNNING);
    expect(await here().apply([object], ['--wait'])).toMatchObject({
      exitCode: 0,
    });
    expect(await reservations()).toEqual(['192.168.122.26 two', '192.168.122.27 two-1']);
    const { status } = await here().machine('two');
    const had = status.addresses.map(({ address }: { address: string }) => address);
    expect(had).toEqual(expect.arrayContaining(['192.168.122.26', '192.168.122.27']));
    expect(await here().plan([object])).toMatchObject({ exitCode: 0 });
  });
});

describe('a MAC address that was not specified', () => {
  test('stays when the machine is replaced, and when it is deleted and applied again', async () => {
    const sized = (memoryMiB: number) => own('same', [{}, { addresses: ['192.168.122.28'] }], { memoryMiB });
    await here().apply([sized(96)]);
    const before = await macs('default.same');
    expect(await here().apply([sized(104)], ['--allow-replace'])).toMatchObject({ exitCode: 0 });
    expect(await macs('default.same')).toEqual(before);
    await here().caplv.read(['delete', 'machine', 'same', '--now']);
    await here().apply([sized(96)]);
    expect(await macs('default.same')).toEqual(before);
    expect(await here().plan([sized(96)])).toMatchObject({ exitCode: 0 });
  });
});

describe('a guest', () => {
  test('that has another address than its fixed one is not ready, and its successor with an assigned MAC address gets it', async () => {
    const fixed = { addresses: ['192.168.122.29'] };
    const first = own('first', [{ ...fixed, mac: '52:54:00:00:00:21' }], RUNNING);
    expect(await here().apply([first], ['--wait'])).toMatchObject({ exitCode: 0 });
    await here().caplv.read(['delete', 'machine', 'first', '--now']);
    // dnsmasq keeps the address for the MAC that had it.
    const second = own('second', [{ ...fixed, mac: '52:54:00:00:00:22' }], RUNNING);
    expect(await here().apply([second], ['--wait=45s'])).toMatchObject({
      exitCode: 5,
      stderr: expect.stringMatching(
        /was not ready within 45 s: interface 0 has 192\.168\.122\.\d+ and not its fixed/,
      ),
    });
    const { status } = await here().machine('second');
    expect(status.conditions).toContainEqual(
      expect.objectContaining({
        type: 'AddressesReady',
        status: 'False',
        message: expect.stringMatching(
          /^interface 0 has 192\.168\.122\.\d+ and not its fixed address 192\.168\.122\.29: /,
        ),
      }),
    );
  });

  test('on a bridge says what is missing, and is ready at once at the addresses that it configures itself', async () => {
    const onBridge = { bridge: 'virbr0' };
    expect(await here().apply([own('silent', [onBridge], RUNNING)])).toMatchObject({ exitCode: 0 });
    const { status } = await here().machine('silent');
    expect(status.conditions).toContainEqual(
      expect.objectContaining({
        type: 'Ready',
        status: 'False',
        reason: 'WaitingForAddress',
        message: expect.stringMatching(/interface 0 .* is on virbr0, .* with their prefix$/),
      }),
    );
    const itself = { ...onBridge, addressing: 'static', addresses: ['10.9.9.9', 'fd00::9'] };
    expect(await here().apply([own('itself', [itself], RUNNING)], ['--wait=5s'])).toMatchObject({
      exitCode: 0,
    });
    expect((await here().machine('itself')).status).toMatchObject({
      phase: 'Running',
      addresses: [{ address: '10.9.9.9' }, { address: 'fd00::9' }, { type: 'Hostname' }],
    });
  });

  test('on a bridge without DHCP gets its address from its seed, also after a repair', async () => {
    const sandbox = await here().host.sandbox();
    const link = (...args: readonly string[]) => sandbox.run('ip', ...args);
    await link('link', 'add', 'br-static', 'type', 'bridge');
    onTestFinished(() => link('link', 'delete', 'br-static').then(() => {}));
    await link('address', 'add', '10.77.0.1/24', 'dev', 'br-static');
    await link('link', 'set', 'br-static', 'up');
    const nic = {
      bridge: 'br-static',
      addresses: ['10.77.0.10/24'],
      gateway: '10.77.0.1',
      nameservers: ['10.77.0.2'],
    };
    const object = own('fixed', [nic], RUNNING);
    expect(await here().apply([object], ['--wait=30s'])).toMatchObject({ exitCode: 0 });
    expect((await here().machine('fixed')).status.addresses).toContainEqual({
      type: 'InternalIP',
      address: '10.77.0.10',
    });
    // A closed port answers; without a guest at the address there is no route to it.
    const answer = () =>
      sandbox.run('bash', '-c', 'exec 2>&1; timeout 1 bash -c "</dev/tcp/10.77.0.10/9" || true');
    await expect.poll(answer, { timeout: 60_000, interval: 500 }).toContain('Connection refused');
    expect(await here().plan([object])).toMatchObject({ exitCode: 0 });

    await here().virsh('destroy', 'default.fixed');
    expect(await here().apply([object], ['--wait=30s'])).toMatchObject({ exitCode: 0 });
    await expect.poll(answer, { timeout: 60_000, interval: 500 }).toContain('Connection refused');
  });

  test('that takes over a fixed address gets it at once', async () => {
    const fixed = [{ addresses: ['192.168.122.30'] }];
    const guest = (name: string) => own(name, fixed, RUNNING);
    expect(await here().apply([guest('before')], ['--wait'])).toMatchObject({ exitCode: 0 });
    await here().caplv.read(['delete', 'machine', 'before', '--now']);
    const after = guest('after');
    expect(await here().apply([after])).toMatchObject({ exitCode: 0 });
    // The lease of the one before is no proof that this one has booted.
    expect(await here().machine('after')).toMatchObject({
      status: { phase: 'Provisioned', addresses: [{ type: 'Hostname' }] },
    });
    expect(await here().apply([after], ['--wait'])).toMatchObject({ exitCode: 0 });
    expect((await here().machine('after')).status.addresses).toContainEqual({
      type: 'InternalIP',
      address: '192.168.122.30',
    });
  });
});
