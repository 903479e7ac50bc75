/** Verifies that wrong input ends with a helpful error, and leaves nothing on the host. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { cluster, type ManifestObject, machine, manifest } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('bad');

/** Expects that the refused objects left nothing on the host, and that they can be deleted. */
afterEach(async () => {
  expect((await here().domains()).filter((name) => name.startsWith('default.bad'))).toEqual([]);
  const { caplv } = here();
  const names = (await caplv.read(['get', 'machines', '-o', 'name']))
    .split('\n')
    .filter((name) => name !== '');
  for (const name of names) await caplv.read(['delete', 'machine', name.replace('machine/', ''), '--now']);
  expect(await here().volumes()).toEqual([]);
  expect(await here().stateFiles()).toEqual([]);
});

const bad = (spec: object) => machine('bad', { ...here().image, ...spec });

async function expectFailure(
  objects: readonly ManifestObject[],
  expected: { exitCode: number; stderr: string | RegExp; args?: readonly string[] },
): Promise<void> {
  const { exitCode, stderr } = await here().apply(objects, expected.args);
  expect(stderr).toMatch(expected.stderr);
  expect(stderr).not.toContain('bug in caplv');
  expect(exitCode).toBe(expected.exitCode);
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('an image', () => {
  test('that does not exist, or is a directory', async () => {
    await expectFailure([bad({ imageURI: '/nowhere/disk.qcow2' })], {
      exitCode: 1,
      stderr:
        /^error: machine\/bad: spec\.providerSpec\.imageURI: cannot read the image \/nowhere\/disk\.qcow2: no such file \[ImageNotFound\]\n {2}fix: correct the path/,
    });
    await expectFailure([bad({ imageURI: here().directory })], {
      exitCode: 1,
      stderr: /it is not a file \[ImageNotFound\]/,
    });
    expect(await here().machine('bad')).toMatchObject({
      status: { phase: 'Failed', errorReason: 'ImageNotFound' },
    });
  });

  test('that is not a disk image', async () => {
    const imageURI = await here().file('text', 'This is no disk.\n'.repeat(100));
    await expectFailure([bad({ imageURI })], {
      exitCode: 1,
      stderr: /is not a disk image: neither qcow2 nor raw with a partition table \[ImageInvalid\]/,
    });
    const empty = await here().file('empty', '');
    await expectFailure([bad({ imageURI: empty })], { exitCode: 1, stderr: /\[ImageInvalid\]/ });
  });

  test('that is not a volume of the pool', async () => {
    await expectFailure([bad({ imageURI: 'volume:default/nothing' })], {
      exitCode: 1,
      stderr: /pool "default" of qemu.* has no volume "nothing" \[ImageNotFound\]/,
    });
  });

  test('that the server does not have, or whose server is unreachable', async () => {
    const origin = await serve((_, response) => response.writeHead(404).end());
    await expectFailure([bad({ imageURI: `${origin}/disk.qcow2` })], {
      exitCode: 1,
      stderr: /answers 404 Not Found \[ImageNotFound\]/,
    });
    await expectFailure([bad({ imageURI: 'http://127.0.0.1:9/disk.qcow2' })], {
      exitCode: 1,
      stderr: /cannot reach http:\/\/127\.0\.0\.1:9\/disk\.qcow2: .*\[ImageNotFound\]/,
    });
  });

  test('whose server sends no length: nothing is created, since a volume needs a size', async () => {
    const image = await readFile(here().lab.imagePath);
    const origin = await serve((_, response) => response.writeHead(206).end(image.subarray(0, 512)));
    await expectFailure([bad({ imageURI: `${origin}/disk.qcow2?token=hidden` })], {
      exitCode: 1,
      stderr: /does not say how long the file is \[ImageInvalid\]/,
    });
    expect(await here().volumes()).toEqual([]);
    expect(JSON.stringify((await here().machine('bad'))?.status?.conditions)).not.toContain('token=hidden');
  });

  test('whose download is interrupted: the whole image is fetched again, also from a server without HEAD', async () => {
    const image = await readFile(here().lab.imagePath);
    let downloads = 0;
    const origin = await serve((request, response) => {
      if (request.method === 'HEAD') return response.writeHead(405).end();
      if (request.headers.range) {
        const part = { 'content-range': `bytes 0-511/${image.length}` };
        return response.writeHead(206, part).end(image.subarray(0, 512));
      }
      response.writeHead(200, { 'content-length': image.length });
      downloads += 1;
      if (downloads > 2) return response.end(image);
      return response.write(image.subarray(0, image.length / 2), () => response.destroy());
    });
    const { exitCode, stderr } = await here().apply([bad({ imageURI: `${origin}/disk.qcow2` })]);
    expect(stderr).toMatch(/trying again: [\s\S]*created libvirt_domain\.machine/);
    expect(exitCode).toBe(0);
    const [volume = ''] = await here().volumes();
    expect(volume).toMatch(/^caplv-image-.*-disk\.qcow2$/);
    const copy = join(here().directory, 'copy.qcow2');
    await here().virsh('vol-download', '--pool', 'default', volume, copy);
    expect((await readFile(copy)).equals(image)).toBe(true);
    await here().caplv.read(['delete', 'machine', 'bad']);
  });

  test('larger than the root disk that is asked for', async () => {
    await expectFailure([bad({ rootDisk: { sizeGB: 0.01 } })], {
      exitCode: 3,
      stderr:
        /rootDisk\.sizeGB: the root disk of 0\.01 GB is smaller than the disk in the image \(0\.03 GB\)/,
    });
  });

  test.each([
    [{ userData: 'hostname: web\n' }, /providerSpec\.userData: this user data has no header/],
    [{ networkConfig: '- version: 2\n' }, /providerSpec\.networkConfig: this is not a mapping/],
    [{ imageURI: 'http://user:s3cret@127.0.0.1/x' }, /imageURI: a URL must not hold a user or password/],
  ])('with %j: refused before anything is created, and no secret is shown', async (spec, stderr) => {
    await expectFailure([bad(spec)], { exitCode: 3, stderr });
    expect((await here().apply([bad(spec)])).stderr).not.toContain('s3cret');
  });

  test('whose user data file does not exist', async () => {
    await expectFailure([bad({ userDataURI: '/nowhere/user-data' })], {
      exitCode: 1,
      stderr: /userDataURI: cannot read \/nowhere\/user-data: no such file \[UserDataNotFound\]/,
    });
  });
});

describe('a host', () => {
  test.each([
    [
      3,
      { machineType: 'pc-q35-99.9' },
      /providerSpec\.machineType: host .* has no machine type "pc-q35-99\.9"/,
    ],
    [1, { interfaces: [{ bridge: 'br-none' }] }, /interfaces\[0\]\.bridge: host .* has no bridge "br-none"/],
    [
      1,
      { interfaces: [{ macvtap: 'eth-none' }] },
      /interfaces\[0\]\.macvtap: host .* has no device "eth-none"/,
    ],
  ])(
    'that lacks what is named is asked before anything is made (exit code %i): %j',
    async (exitCode, spec, stderr) => {
      await expectFailure([bad(spec)], { exitCode, stderr });
      const plan = await here().caplv.run(['plan', '-f', '-'], { input: manifest(bad(spec)) });
      expect(plan).toMatchObject({ exitCode, stderr: expect.stringMatching(stderr) });
      expect(await here().volumes()).toEqual([]);
    },
  );

  test('with a guest that uses the named volume: refused, since two writers would destroy its data', async () => {
    await here().virsh('vol-create-as', 'default', 'held.img', '1M', '--format', 'raw');
    const path = (await here().virsh('vol-path', '--pool', 'default', 'held.img')).trim();
    const xml = await here().file(
      'holder.xml',
      `<domain type='qemu'><name>holder</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
        <disk type='file' device='disk'><source file='${path}'/><target dev='vda'/></disk></devices></domain>`,
    );
    await here().virsh('create', '--paused', xml);
    const input = manifest(bad({ disks: [{ name: 'data', volume: 'default/held.img' }] }));
    expect(await here().caplv.run(['plan', '-f', '-'], { input })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /disks\[0\]\.volume: the volume default\/held\.img is in use by the domain "holder" \[NotOwned\]/,
      ),
    });
    await here().virsh('destroy', 'holder');
    expect(await here().caplv.run(['plan', '-f', '-'], { input })).toMatchObject({ exitCode: 2 });
    await here().virsh('vol-delete', '--pool', 'default', 'held.img');
  });

  test('without the pool, and then with it: the machine can still be created', async () => {
    await expectFailure([bad({ pool: 'nowhere' })], {
      exitCode: 1,
      stderr:
        /spec\.providerSpec\.pool: qemu.* has no pool "nowhere" \[PoolNotFound\]\n {2}fix: use an existing one \(default\)/,
    });
    expect(await here().apply([bad({})])).toMatchObject({ exitCode: 0 });
    expect(await here().domains()).toEqual(['default.bad']);
    await here().caplv.read(['delete', 'machine', 'bad']);
  });

  test('without the network of the machine, or of its cluster', async () => {
    await expectFailure([bad({ interfaces: [{ network: 'nowhere' }] })], {
      exitCode: 1,
      stderr: /interfaces\[0\]\.network: qemu.* has no network "nowhere" \[NetworkNotFound\]/,
    });
    await expectFailure([cluster('lost', { network: { name: 'nowhere' } }), bad({})], {
      exitCode: 1,
      stderr: /has no network "nowhere" \[NetworkNotFound\]/,
    });
    await here().caplv.read(['delete', 'machine', 'bad']);
    await here().caplv.read(['delete', 'cluster', 'lost']);
  });

  test('whose network is stopped: the error says how to start it', async () => {
    await here().virsh('net-destroy', 'default');
    try {
      await expectFailure([bad({})], {
        exitCode: 1,
        stderr:
          /network "default" of qemu.* is not active \[NetworkNotFound\]\n {2}fix: start it: virsh -c '.*' net-start default/,
      });
    } finally {
      await here().virsh('net-start', 'default');
    }
  });

  test('that is unreachable: apply and plan say so, and the machine can still be deleted', async () => {
    const env = { CAPLV_LIBVIRT_URI: 'qemu+unix:///system?socket=/nowhere/libvirt-sock' };
    const { exitCode, stderr } = await here().apply([bad({})], [], env);
    expect(stderr).toMatch(
      /trying again[\s\S]*error: machine\/bad: .*Failed to connect socket to '\/nowhere\/libvirt-sock': No such file or directory \[LibvirtUnreachable\]\n {2}fix: Start libvirt/,
    );
    expect(exitCode).toBe(1);
    expect(await here().machine('bad')).toMatchObject({ status: { phase: 'Pending' } });
    expect(await here().caplv.run(['plan', '-f', '-'], { input: manifest(bad({})), env })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('[LibvirtUnreachable]'),
    });
  });

  test.each(['quemu:///system', 'not a uri', 'qemu+tcp://root:password@host/system'])(
    'whose URI cannot be right is refused before anything is done: %s',
    async (uri) => {
      const { exitCode, stdout, stderr } = await here().apply([bad({})], ['--libvirt-uri', uri]);
      expect(stderr).toMatch(/^error: --libvirt-uri: .* \[InvalidConfiguration\]\n {2}fix: /);
      expect(stderr).not.toContain('root:password');
      expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
      await expectFailure([bad({ uri })], { exitCode: 3, stderr: /spec\.providerSpec\.uri: / });
    },
  );

  test('of another name: an existing machine does not move', async () => {
    expect(await here().apply([bad({})])).toMatchObject({ exitCode: 0 });
    await expectFailure([bad({ uri: 'qemu:///session' })], {
      exitCode: 3,
      stderr: /spec\.providerSpec\.uri: the machine was made on qemu\+unix:.*, and a machine does not move/,
    });
    expect(await here().apply([bad({})])).toMatchObject({ exitCode: 0 });
    await here().caplv.read(['delete', 'machine', 'bad']);
  });

  test('with a foreign domain of that name: the domain is not touched, also by delete', async () => {
    const xml = await here().file(
      'foreign.xml',
      "<domain type='qemu'><name>default.foreign</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>",
    );
    await here().virsh('define', xml);
    const before = await here().virsh('dumpxml', 'default.foreign');
    await expectFailure([machine('foreign', here().image)], {
      exitCode: 1,
      stderr:
        /the host already has a domain "default\.foreign" that is not this Machine's \[NotOwned\]\n {2}fix: rename the Machine/,
    });
    await expectFailure([machine('foreign', here().image)], {
      args: ['--allow-replace'],
      exitCode: 1,
      stderr: /\[NotOwned\]/,
    });
    await here().caplv.read(['delete', 'machine', 'foreign', '--now']);
    expect(await here().virsh('dumpxml', 'default.foreign')).toBe(before);
    await here().virsh('undefine', 'default.foreign');
  });
});

describe('a size', () => {
  test('of nothing', async () => {
    await expectFailure([bad({ vcpu: 0, memoryMiB: 0 })], {
      exitCode: 3,
      stderr:
        /^error: 2 problems:\n.*spec\.providerSpec\.vcpu: 0 is too small; use at least 1\n.*memoryMiB: 0 is too small/,
    });
  });

  test('larger than the host', async () => {
    await expectFailure([bad({ vcpu: 1000 })], {
      exitCode: 1,
      stderr:
        /spec\.providerSpec\.vcpu: the machine wants 1000 vCPUs, and qemu.* has \d+ CPUs \[InsufficientCapacity\]/,
    });
    await expectFailure([bad({ memoryMiB: 60_000_000 })], {
      exitCode: 1,
      stderr:
        /spec\.providerSpec\.memoryMiB: the machine wants 60000000 MiB of memory, .*\[InsufficientCapacity\]/,
    });
  });
});

describe('a MAC address', () => {
  const mac = (address: string) => ({ ...here().image, interfaces: [{ mac: address }] });

  test('twice in one machine, and in two machines of one call', async () => {
    await expectFailure([bad({ interfaces: [{ mac: '52:54:00:00:00:0a' }, { mac: '52:54:00:00:00:0A' }] })], {
      exitCode: 3,
      stderr: /two interfaces have the same MAC address/,
    });
    await expectFailure(
      [machine('bad', mac('52:54:00:00:00:0a')), machine('bad2', mac('52:54:00:00:00:0A'))],
      {
        exitCode: 3,
        stderr:
          /Machine default\/bad2: .*the MAC address 52:54:00:00:00:0a is already taken by Machine default\/bad;/,
      },
    );
  });

  test('of an existing machine', async () => {
    expect(await here().apply([machine('first', mac('52:54:00:00:00:0a'))])).toMatchObject({ exitCode: 0 });
    const second = machine('bad', mac('52:54:00:00:00:0A'));
    const refusal =
      /52:54:00:00:00:0a is the address of Machine "default\/first" on the same host \[InvalidConfiguration\]/;
    const planned = await here().plan([second]);
    expect(planned.stderr).toMatch(refusal);
    expect(planned.exitCode).toBe(3);
    await expectFailure([second], { exitCode: 3, stderr: refusal });
    expect(await here().apply([machine('first', mac('52:54:00:00:00:0a'))])).toMatchObject({ exitCode: 0 });
  });
});

describe('a manifest', () => {
  async function refusal(text: string, args: readonly string[] = ['-f', '-']): Promise<string> {
    const { exitCode, stdout, stderr } = await here().caplv.run(['apply', ...args], { input: text });
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
    return stderr;
  }

  test('that is not YAML', async () => {
    expect(await refusal('kind: Machine\n  name: {{{ bad\n')).toMatch(/^error: stdin:\d: this is not YAML: /);
  });

  test('with two machines of one name', async () => {
    expect(await refusal(manifest(bad({}), bad({})))).toMatch(
      /Machine default\/bad: metadata\.name: this object is given twice, first at stdin:2; rename or remove one/,
    );
  });

  test('of 5 MB, as a file and from a pipe', async () => {
    const large = `# ${'x'.repeat(5_000_000)}\n${manifest(bad({}))}`;
    const file = await here().file('large.yaml', large);
    expect(await refusal('', ['-f', file])).toMatch(/has 4\.8 MiB, and a manifest may have 1 MiB; split it/);
    expect(await refusal(large)).toMatch(/has more than 1 MiB/);
  });

  test('with an unknown field, and all other errors at once', async () => {
    expect(await refusal(manifest(bad({ vpcu: 2, memoryInGB: 1 })))).toMatch(
      /2 problems:[\s\S]*spec\.providerSpec.*vpcu[\s\S]*the size of the memory must be given once/,
    );
  });

  test('that does not exist, is empty, or holds something else', async () => {
    expect(await refusal('', ['-f', '/nowhere/manifest.yaml'])).toContain(
      'there is no such file or directory',
    );
    expect(await refusal('')).toContain('it contains no object');
    expect(await refusal('apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\n')).toContain(
      'is not a kind that is known here',
    );
  });
});
