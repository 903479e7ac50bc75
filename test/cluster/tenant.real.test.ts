/** Verifies that tenants cannot reach files, servers, hosts or machines beyond what the operator allows. */

import { once } from 'node:events';
import { access, copyFile, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { SecretKind } from '../../src/api/kinds/secret.ts';
import { FakeServer } from '../kube/fake-server.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

const soon = { timeout: 60_000, interval: 100 };
const OFTEN = ['--sweep-interval', '5s'];
const TOKEN = 'planted-in-a-file-of-the-controller';

let lab: ClusterLab;
let controller: ControllerProcess;
/** What an operator allows: a directory of images and a server of images, as URLs have it. */
let images = '';
let token = '';
let server: Server;
let origin = '';
const asked: string[] = [];

beforeAll(async () => {
  lab = await ClusterLab.up('test-tenant');
  images = join(lab.lab.directory, 'allowed');
  token = join(lab.lab.directory, 'token');
  await mkdir(images);
  await writeFile(token, TOKEN);
  await copyFile(lab.lab.imagePath, join(images, 'guest.qcow2'));
  await symlink(token, join(images, 'link'));
  server = await serveLies();
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  controller = await ControllerProcess.start(settings(), OFTEN);
  await lab.kubectl('create', 'namespace', 'other');
  await lab.apply(machine('victim', {}, 'other'));
  await vi.waitUntil(async () => (await ready('victim', 'other')) === 'True AsSpecified', soon);
});

/** The settings of an operator who does not trust the authors of manifests. */
function settings(): NodeJS.ProcessEnv {
  const volumes = 'volume:default/named.img,disk:default/named.img';
  return { ...lab.env(), CAPLV_ALLOW: `${images},${origin}/images,${volumes}` };
}

afterAll(async () => {
  await lab?.kubectl('delete', 'machines,clusters', '--all', '--all-namespaces', '--wait=true');
  await controller?.stop();
  server?.close();
  await lab?.down();
});

/**
 * An image for who asks for its start. For who asks for all of it `/images/liar` is an overlay of a file, and `/images/turncoat` is at
 * another place, which is not allowed.
 */
async function serveLies(): Promise<Server> {
  const overlay = join(lab.lab.directory, 'overlay.qcow2');
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', token, overlay, '64M']);
  const [honest, lie] = [await readFile(lab.lab.imagePath), await readFile(overlay)];
  const made = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/images/away') return void response.writeHead(302, { location: '/private' }).end();
    const isPart = request.headers.range !== undefined;
    if (request.url === '/images/turncoat' && !isPart)
      return void response.writeHead(302, { location: '/private' }).end();
    const content = isPart ? honest.subarray(0, 512) : lie;
    response.writeHead(isPart ? 206 : 200, {
      'content-length': content.length,
      ...(isPart && { 'content-range': `bytes 0-511/${lie.length}` }),
    });
    response.end(content);
  });
  made.listen(0, '127.0.0.1');
  await once(made, 'listening');
  return made;
}

function machine(name: string, spec: object = {}, namespace = 'default'): object {
  return lab.machine(name, { imageURI: join(images, 'guest.qcow2'), ...spec }, { namespace });
}

function cluster(name: string, providerSpec: object, namespace = 'default'): object {
  return {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Cluster',
    metadata: { name, namespace },
    spec: { providerSpec },
  };
}

async function condition(name: string, namespace = 'default') {
  const found = await lab.client.get(MachineKind, { namespace, name });
  return found?.status?.conditions?.find(({ type }) => type === 'Ready');
}

async function ready(name: string, namespace = 'default'): Promise<string | undefined> {
  const found = await condition(name, namespace);
  return found && `${found.status} ${found.reason}`;
}

async function volumeOfVictim(role: string): Promise<string> {
  const { volumes } = await lab.host();
  return volumes.find((name) => name.startsWith('other.victim.') && name.includes(`-${role}`)) ?? '';
}

describe('a Machine is refused, with the field that is at fault, that names', () => {
  const CASES: readonly (readonly [what: string, path: string, spec: () => Promise<object> | object])[] = [
    ['a file of the controller as image', 'imageURI', () => ({ imageURI: token })],
    ['such a file by dots', 'imageURI', () => ({ imageURI: `${images}/../token` })],
    ['such a file by a link', 'imageURI', () => ({ imageURI: join(images, 'link') })],
    ['such a file as file:', 'imageURI', () => ({ imageURI: `file://${token}` })],
    ['such a file as user data', 'userDataURI', () => ({ userDataURI: token })],
    ['such a file as Ignition', 'ignitionURI', () => ({ ignitionURI: token })],
    ['another path of a server', 'imageURI', () => ({ imageURI: `${origin}/private` })],
    ['a server that sends it elsewhere', 'imageURI', () => ({ imageURI: `${origin}/images/away` })],
    ['user data that is elsewhere', 'userDataURI', () => ({ userDataURI: `${origin}/images/away` })],
    ['another server', 'userDataURI', () => ({ userDataURI: 'http://169.254.169.254/latest/' })],
    [
      "another namespace's root disk as image",
      'imageURI',
      async () => ({ imageURI: `volume:default/${await volumeOfVictim('root')}` }),
    ],
    [
      "another namespace's user data as disk",
      'disks[0].volume',
      async () => ({ disks: [{ name: 'a', volume: `default/${await volumeOfVictim('seed')}` }] }),
    ],
    ['a file of the host as firmware', 'firmware', () => ({ firmware: '/etc/shadow' })],
    [
      'a file of the host as NVRAM',
      'nvramTemplate',
      () => ({ firmware: 'uefi', nvramTemplate: '/usr/share/../../etc/shadow' }),
    ],
    ['a bridge of the host', 'interfaces[0].bridge', () => ({ interfaces: [{ bridge: 'br0' }] })],
    ['a device of the host', 'interfaces[0].macvtap', () => ({ interfaces: [{ macvtap: 'eth0' }] })],
    ['a file of the controller as libvirt', 'uri', () => ({ uri: `test://${token}` })],
    [
      'a program of the controller',
      'uri',
      () => ({ uri: 'qemu+ssh://root@127.0.0.1/system?command=/bin/sh' }),
    ],
    [
      'Terraform of its own',
      'terraform',
      () => ({ terraform: { locals: { token: `\${file("${token}")}` } } }),
    ],
  ];

  it.each(CASES.map((one, index) => [...one, index] as const))('%s', async (_, path, spec, index) => {
    const name = `refused-${index}`;
    await lab.apply(machine(name, await spec()));
    await expect.poll(() => ready(name), soon).toBe('False NotAllowed');
    expect((await condition(name))?.message).toContain(`spec.providerSpec.${path}: `);
    expect((await condition(name))?.message).toContain('--allow');
    expect((await lab.host()).domains).toEqual(['other.victim']);
    await lab.kubectl('delete', 'machine', name);
  });

  it('a server that redirects only full requests, and nothing of its answer is kept', async () => {
    await lab.apply(machine('turncoat', { imageURI: `${origin}/images/turncoat` }));
    await expect.poll(() => ready('turncoat'), soon).toBe('False NotAllowed');
    expect((await condition('turncoat'))?.message).toContain('spec.providerSpec.imageURI: ');
    expect(asked.filter((path) => path === '/images/turncoat').length).toBeGreaterThan(1);
    expect((await lab.host()).volumes.filter((name) => name.endsWith('-turncoat'))).toEqual([]);
    expect((await lab.host()).domains).toEqual(['other.victim']);
    await lab.kubectl('delete', 'machine', 'turncoat');
  });

  it('a server or file that is not allowed, without a request to it or a read of it', async () => {
    expect(asked).not.toContain('/private');
    expect(JSON.stringify(controller.lines)).not.toContain(TOKEN);
    expect(await lab.kubectl('get', 'machines,events', '-A', '-o', 'json')).not.toContain(TOKEN);
  });
});

describe('an image that QEMU would take other files for', () => {
  it('is refused when its header says so', async () => {
    const overlay = join(images, 'overlay.qcow2');
    await execa('qemu-img', [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-F',
      'raw',
      '-b',
      '/etc/shadow',
      overlay,
      '64M',
    ]);
    await lab.apply(machine('overlay', { imageURI: overlay }));
    await expect.poll(() => ready('overlay'), soon).toBe('False ImageInvalid');
    await lab.kubectl('delete', 'machine', 'overlay');
  });

  it('is refused when its server reveals this only in a full request', async () => {
    await lab.apply(machine('liar', { imageURI: `${origin}/images/liar` }));
    await expect.poll(() => ready('liar'), soon).toBe('False ImageInvalid');
    expect((await lab.host()).domains).toEqual(['other.victim']);
    expect((await lab.host()).volumes.filter((name) => name.endsWith('-liar'))).toEqual([]);
    await lab.kubectl('delete', 'machine', 'liar');
  });

  /** Puts a disk image of another kind where the operator allows a volume to be used. */
  async function nameVolume(...args: readonly string[]): Promise<() => Promise<unknown>> {
    const file = join(lab.lab.directory, 'named.img');
    await execa('qemu-img', ['create', '-q', ...args, file, '4M']);
    await lab.virsh('vol-create-as', '--pool=default', '--name=named.img', '--capacity=5M', '--format=raw');
    await lab.virsh('vol-upload', '--pool=default', '--vol=named.img', `--file=${file}`);
    await lab.virsh('pool-refresh', 'default');
    return () => lab.virsh('vol-delete', '--pool=default', '--vol=named.img');
  }

  const external = () => ['-f', 'qcow2', '-o', `data_file=${join(lab.lab.directory, 'external')}`];

  it.each([
    ['a volume of the format vmdk', () => ['-f', 'vmdk'], { imageURI: 'volume:default/named.img' }],
    ['a volume with an external data file', external, { imageURI: 'volume:default/named.img' }],
    [
      'a disk with an external data file, which libvirt does not tell of',
      external,
      { disks: [{ name: 'a', volume: 'default/named.img' }] },
    ],
  ])('is refused as %s', async (_, args, spec) => {
    const remove = await nameVolume(...args());
    await lab.apply(machine('named', spec));
    await expect.poll(() => ready('named'), soon).toBe('False ImageInvalid');
    expect((await lab.host()).domains).toEqual(['other.victim']);
    await lab.kubectl('delete', 'machine', 'named');
    await remove();
  });

  it('is refused when a guest makes one of its raw disk; any other format is raw to QEMU', async () => {
    const disks = [{ name: 'data', sizeGB: 0.01, format: 'raw' }];
    await lab.apply(machine('disguised', { disks }));
    await expect.poll(() => ready('disguised'), soon).toBe('True AsSpecified');
    const raw = (await lab.host()).volumes.find((name) => name.endsWith('-disk-data.raw')) ?? '';
    const writeHeader = async (...args: readonly string[]) => {
      const file = join(lab.lab.directory, 'header');
      await execa('qemu-img', ['create', '-q', ...args, file, '11M']);
      await lab.virsh('vol-upload', '--pool=default', `--vol=${raw}`, `--file=${file}`);
    };
    await writeHeader('-f', 'qcow2', '-F', 'raw', '-b', token);
    await lab.virsh('undefine', 'default.disguised');
    await lab.apply(machine('disguised', { disks, autostart: true }));
    await expect.poll(() => ready('disguised'), soon).toBe('False ImageInvalid');
    expect((await lab.host()).domains).toEqual(['other.victim']);

    await writeHeader('-f', 'vmdk');
    await lab.virsh('pool-refresh', 'default');
    expect(await lab.virsh('vol-dumpxml', '--pool=default', raw)).toContain("<format type='vmdk'/>");
    await lab.kubectl('annotate', 'machine', 'disguised', 'example.com/look-again=');
    await expect.poll(async () => (await lab.host()).domains, soon).toContain('default.disguised');
    const xml = await lab.virsh('dumpxml', 'default.disguised');
    // Libvirt probes what has no type, and QEMU what has none there.
    const drivers = [...xml.matchAll(/<disk [\s\S]*?<\/disk>/g)].map(
      ([disk]) => /<driver name='qemu' type='(\w+)'/.exec(disk)?.[1],
    );
    expect(drivers).toEqual(['qcow2', 'raw', 'raw']);
    await lab.kubectl('delete', 'machine', 'disguised');
  });
});

describe('a Cluster', () => {
  it('creates no pool in a directory of the host, and does not stop other Clusters of the host', async () => {
    const directory = join(lab.lab.directory, 'stolen');
    await mkdir(directory, { mode: 0o700 });
    await lab.apply(cluster('thief', { pool: { name: 'thief', path: directory } }));
    const reason = () =>
      lab.kubectl('get', 'cluster', 'thief', '-o', 'jsonpath={.status.conditions[0].reason}');
    await expect.poll(reason, soon).toBe('NotAllowed');
    await lab.apply(machine('bystander', {}, 'other'));
    await expect.poll(() => ready('bystander', 'other'), soon).toBe('True AsSpecified');
    expect(await lab.virsh('pool-list', '--all', '--name')).not.toContain('thief');
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    await lab.kubectl('delete', 'machine', 'bystander', '--namespace=other');
    await lab.kubectl('delete', 'cluster', 'thief');
  });
});

describe('a host that the operator has not listed is never opened', () => {
  /** A program that ssh would be, were the URI opened: it leaves a mark. */
  async function program(): Promise<{ readonly path: string; readonly wasRun: () => Promise<boolean> }> {
    const path = join(lab.lab.directory, 'program');
    const mark = `${path}.was-run`;
    await writeFile(path, `#!/bin/sh\necho >${mark}\n`, { mode: 0o755 });
    return { path, wasRun: () => access(mark).then(always, never) };
  }
  const always = () => true;
  const never = () => false;

  it('for a Machine or Cluster, by the sweep for orphans, or by a command', async () => {
    const { path, wasRun } = await program();
    const host = 'qemu+ssh://root@127.0.0.1/system';
    const uris = [`${host}?command=${path}`, `${host}?no_tty=1;command=${path}`, `${host}?Command=${path}`];
    // Machines take the one Cluster of their namespace.
    await lab.kubectl('create', 'namespace', 'opens');
    await lab.apply(
      ...uris.map((uri, index) => cluster(`opens-${index}`, { uri }, 'opens')),
      ...uris.map((uri, index) => machine(`opens-${index}`, { uri })),
    );
    const refused = 'NotAllowed InvalidConfiguration InvalidConfiguration';
    const reasons = (kind: string, namespace: string) =>
      lab.kubectl(
        'get',
        kind,
        '-n',
        namespace,
        '-o',
        `jsonpath={.items[*].status.conditions[?(@.type=="Ready")].reason}`,
      );
    await expect.poll(() => reasons('machines', 'default'), soon).toBe(refused);
    await expect.poll(() => reasons('clusters', 'opens'), soon).toBe(refused);
    for (const args of [['orphans'], ['orphans', '--fix']]) {
      expect((await lab.caplvWith(settings(), ...args)).stderr).not.toContain('127.0.0.1');
    }
    // A finding of the second sweep from here on proves that the first one has visited all hosts.
    for (const uid of ['00000001', '00000002']) {
      const volume = `other.victim.${uid}-root.qcow2`;
      await lab.virsh('vol-create-as', '--pool=default', '--capacity=1M', `--name=${volume}`);
      const found = () => controller.lines.some(({ name }) => name === volume);
      await expect.poll(found, soon).toBe(true);
      await lab.virsh('vol-delete', '--pool=default', `--vol=${volume}`);
    }
    expect(await wasRun()).toBe(false);
    await lab.kubectl('delete', 'machine', ...uris.map((_, index) => `opens-${index}`));
    await lab.kubectl('delete', 'cluster', '--all', '--namespace=opens');
  });
});

describe('a command on the cluster', () => {
  it('refuses what the controller refuses, also without the settings of the controller', async () => {
    const file = join(lab.lab.directory, 'plan.yaml');
    await writeFile(file, JSON.stringify(machine('planned', { userData: undefined, userDataURI: token })));
    const { CAPLV_ALLOW: _, ...env } = lab.env();
    const { stderr, stdout } = await lab.caplvWith(env, 'plan', '-f', file);
    expect(stderr).toContain('[NotAllowed]');
    expect(stdout + stderr).not.toContain(TOKEN);
  });
});

describe('the API server that a <cluster>-kubeconfig names', () => {
  const SECRET = 'text-of-a-server-of-the-inside';
  const reason = (name: string) => readyOf(name, 'reason');

  function readyOf(check: string, field: 'reason' | 'message'): Promise<string> {
    const path = `jsonpath={.status.conditions[?(@.type=="Ready")].${field}}`;
    return lab.kubectl('get', 'machinehealthcheck', check, '-o', path);
  }

  /** A cluster with that kubeconfig, a Machine of it, and a check that asks for its Nodes. */
  async function asks(name: string, kubeconfig: string): Promise<void> {
    const of = { apiVersion: 'cluster-api.k8s.io/v1alpha1', metadata: { name, namespace: 'default' } };
    const { spec } = machine(name, { running: false }) as { spec: object };
    await lab.apply(
      cluster(name, {}),
      {
        ...{ apiVersion: 'v1', kind: 'Secret' },
        metadata: { name: `${name}-kubeconfig`, namespace: 'default' },
        stringData: { value: kubeconfig },
      },
      {
        ...of,
        kind: 'Machine',
        metadata: { ...of.metadata, labels: { name } },
        spec: { ...spec, clusterName: name },
      },
      { ...of, kind: 'MachineHealthCheck', spec: { selector: { matchLabels: { name } } } },
    );
  }

  it('is reached by https only, never at an address of the controller, and only where the operator allows it', async () => {
    const answer: Parameters<typeof FakeServer.start>[0] = (_, response) =>
      response
        .writeHead(403, SECRET)
        .end(JSON.stringify({ kind: 'Status', message: SECRET, reason: SECRET }));
    const plain = await FakeServer.start(answer);
    const secure = await FakeServer.startSecure(answer);
    const redirecting = await FakeServer.startSecure((_, response) =>
      response.writeHead(302, { location: secure.url }).end(SECRET),
    );
    const checks = {
      plain: plain.kubeconfig,
      unproven: secure.kubeconfigWith({ 'insecure-skip-tls-verify': true }),
      address: secure.kubeconfig,
      named: secure.kubeconfigWith({ server: `https://localhost:${secure.port}` }),
      own: await readFile(lab.kube.kubeconfig, 'utf8'),
      redirected: redirecting.kubeconfig,
    };
    for (const [name, kubeconfig] of Object.entries(checks)) await asks(name, kubeconfig);
    for (const name of ['plain', 'unproven'])
      await expect.poll(() => reason(name), soon).toBe('InvalidConfiguration');
    for (const name of ['address', 'named', 'own', 'redirected'])
      await expect.poll(() => reason(name), soon).toBe('NotAllowed');
    expect(await readyOf('named', 'message')).toContain('localhost');
    expect([plain, secure, redirecting].flatMap(({ requests }) => requests)).toEqual([]);

    const { lines } = controller;
    expect(await controller.stop()).toEqual([0, null]);
    const allowed = `${settings()['CAPLV_ALLOW']},workload:127.0.0.0/8`;
    controller = await ControllerProcess.start({ ...settings(), CAPLV_ALLOW: allowed }, OFTEN);
    await expect.poll(() => reason('own'), soon).not.toMatch(/NotAllowed|NodesUnreadable/);
    for (const name of ['address', 'named', 'redirected'])
      await expect.poll(() => reason(name), soon).toBe('NodesUnreadable');
    expect(await readyOf('named', 'message')).toContain('answers with status 403');
    expect(await readyOf('redirected', 'message')).toContain('answers with status 302');
    expect(await reason('plain')).toBe('InvalidConfiguration');
    expect(plain.requests).toEqual([]);
    expect(await lab.kubectl('get', 'machines,machinehealthchecks,events', '-o', 'json')).not.toContain(
      SECRET,
    );
    expect(JSON.stringify([...lines, ...controller.lines])).not.toContain(SECRET);
    expect(await controller.fetch('/metrics')).not.toContain(SECRET);
    for (const server of [plain, secure, redirecting]) server.close();
    await lab.kubectl('delete', 'machinehealthchecks,machines,clusters', '--all', '--wait=true');
    await lab.kubectl('delete', 'secrets', ...Object.keys(checks).map((name) => `${name}-kubeconfig`));
  });
});

describe('what another namespace owns is not removed', () => {
  it('when names are similar', async () => {
    const names = ['victim', 'victim.a', 'other.victim'];
    await lab.apply(...names.map((name) => machine(name)));
    for (const name of names) await expect.poll(() => ready(name), soon).toBe('True AsSpecified');
    expect((await lab.host()).domains.sort()).toEqual(
      ['default.other.victim', 'default.victim', 'default.victim.a', 'other.victim'].sort(),
    );
    await lab.kubectl('delete', 'machine', 'victim', 'other.victim');
    expect((await lab.host()).domains.sort()).toEqual(['default.victim.a', 'other.victim']);
    await lab.kubectl('delete', 'machine', 'victim.a');
    expect((await lab.host()).domains).toEqual(['other.victim']);
    expect((await lab.host()).volumes.filter((name) => name.startsWith('other.victim.'))).toHaveLength(2);
  });

  it('when a tenant copies the state of another machine to his own machine, and deletes that', async () => {
    await lab.apply(machine('forged'));
    await expect.poll(() => ready('forged'), soon).toBe('True AsSpecified');
    const key = (name: string, namespace: string) => ({ namespace, name: `tfstate-${name}-caplv` });
    const victims = await lab.client.get(SecretKind, key('victim', 'other'));
    const own = await lab.client.get(SecretKind, key('forged', 'default'));
    await lab.client.patch(SecretKind, key('forged', 'default'), { data: victims?.data });
    const file = join(lab.lab.directory, 'forged.yaml');
    await writeFile(file, JSON.stringify(machine('forged')));
    expect((await lab.caplvWith(settings(), 'plan', '-f', file)).stderr).toContain('[NotOwned]');
    await lab.kubectl('delete', 'machine', 'forged', '--wait=false');
    await expect
      .poll(async () => (await lab.get('forged'))?.status?.conditions?.map(({ reason }) => reason), soon)
      .toContain('NotOwned');
    expect((await lab.host()).domains.sort()).toEqual(['default.forged', 'other.victim']);
    await lab.client.patch(SecretKind, key('forged', 'default'), { data: own?.data });
    await lab.kubectl('annotate', 'machine', 'forged', 'example.com/look-again=');
    await expect.poll(() => lab.get('forged'), soon).toBeUndefined();
    expect((await lab.host()).domains).toEqual(['other.victim']);
  });
});

describe('networks and pools of a host', () => {
  const network = (name: string, third: number, mode = 'none') => ({
    network: { name, mode, addresses: [`10.88.${third}.0/24`] },
  });
  const on = (name: string, namespace: string, network: string, spec: object = {}) =>
    machine(name, { interfaces: [{ network }], ...spec }, namespace);
  const clusterState = async (name: string, namespace: string) => {
    const path =
      '{.status.conditions[?(@.type=="Ready")].reason}: {.status.conditions[?(@.type=="Ready")].message}';
    return lab.kubectl('get', 'cluster', name, '--namespace', namespace, '-o', `jsonpath=${path}`);
  };
  const networks = async () =>
    (await lab.virsh('net-list', '--all', '--name')).split('\n').map((one) => one.trim());
  const addressOf = async (name: string) =>
    /<ip [^>]*address='([^']+)'/.exec(await lab.virsh('net-dumpxml', name))?.[1];

  beforeAll(async () => {
    for (const namespace of ['team-a', 'team-b']) await lab.kubectl('create', 'namespace', namespace);
    // The older one, which manages nothing at first.
    await lab.apply(cluster('b', {}, 'team-b'));
    await vi.waitUntil(async () => (await clusterState('b', 'team-b')).startsWith('AsSpecified'), soon);
    // Of the host: no Cluster has made it.
    await lab.defineNetwork('corp', "<bridge name='corp'/><ip address='10.88.64.1' prefix='20'/>");
    await lab.virsh('net-start', 'corp');
    await lab.apply(cluster('a', network('lan', 1), 'team-a'), on('first', 'team-a', 'lan'));
    await vi.waitUntil(async () => (await clusterState('a', 'team-a')).startsWith('AsSpecified'), soon);
    await vi.waitUntil(async () => (await ready('first', 'team-a')) === 'True AsSpecified', soon);
  });

  afterAll(async () => {
    for (const namespace of ['team-a', 'team-b'])
      await lab.kubectl('delete', 'machines,clusters', '--all', '--namespace', namespace);
    await lab.virsh('net-destroy', 'corp');
    await lab.virsh('net-undefine', 'corp');
  });

  it.each([
    [
      'routed, with a public prefix',
      { name: 'bad', mode: 'route', addresses: ['203.0.113.0/24'] },
      'addresses[0]',
      'network:203.0.113.0/24',
    ],
    [
      'routed, with a private one',
      { name: 'bad', mode: 'route', addresses: ['10.88.9.0/24'] },
      'mode',
      'network:10.88.9.0/24',
    ],
    ['on a bridge of the host', { name: 'bad', mode: 'bridge', bridge: 'corp' }, 'bridge', 'bridge:corp'],
    [
      'by the name that is for all',
      { name: 'default', mode: 'none', addresses: ['10.88.9.0/24'] },
      'name',
      'network:default',
    ],
  ])('a Cluster creates none that is %s', async (_, bad, field, entry) => {
    await lab.apply(cluster('b', { network: bad }, 'team-b'));
    await expect
      .poll(() => clusterState('b', 'team-b'), soon)
      .toContain(`spec.providerSpec.network.${field}`);
    expect(await clusterState('b', 'team-b')).toMatch(/^NotAllowed/);
    expect(await clusterState('b', 'team-b')).toContain(`with ${entry}`);
    expect(await networks()).not.toContain('bad');
  });

  it('a Cluster creates no network whose range another network of the host has', async () => {
    await lab.apply(cluster('b', network('overlap', 70), 'team-b'));
    await expect.poll(() => clusterState('b', 'team-b'), soon).toContain('AddressInUse');
    expect(await clusterState('b', 'team-b')).toContain('10.88.64.1/20 of the network "corp"');
    expect(await networks()).not.toContain('overlap');
  });

  it.each([
    ['with the same values', { network: { name: 'lan', mode: 'none', addresses: ['10.88.1.0/24'] } }],
    ['with other values, although its Cluster is older', network('lan', 2)],
    ['by its name', { network: { name: 'lan' } }],
  ])('a Cluster cannot use the network of another namespace %s', async (_, spec) => {
    await lab.apply(cluster('b', spec, 'team-b'));
    await expect
      .poll(() => clusterState('b', 'team-b'), soon)
      .toMatch(/^NotAllowed: spec.providerSpec.network.name/);
    expect(await clusterState('b', 'team-b')).toContain('namespace team-a');
    await lab.kubectl(
      'annotate',
      'cluster',
      'a',
      '--namespace=team-a',
      'cluster-api.k8s.io/look=',
      '--overwrite',
    );
    await expect.poll(() => clusterState('a', 'team-a'), soon).toMatch(/^AsSpecified/);
    expect(await addressOf('lan')).toBe('10.88.1.1');
  });

  it('a Machine cannot use those of another namespace, or of the host itself', async () => {
    await lab.apply(cluster('b', {}, 'team-b'));
    await lab.virsh('pool-define-as', 'corp', 'dir', '--target', lab.lab.directory);
    await lab.apply(
      on('guest', 'team-b', 'lan'),
      on('host', 'team-b', 'corp'),
      machine('pool', { pool: 'corp' }, 'team-b'),
      machine('disk', { disks: [{ name: 'a', sizeGB: 0.01, pool: 'corp' }] }, 'team-b'),
    );
    const fields = {
      guest: 'interfaces[0].network',
      host: 'interfaces[0].network',
      pool: 'pool',
      disk: 'disks[0].pool',
    };
    for (const [name, field] of Object.entries(fields)) {
      await expect.poll(() => ready(name, 'team-b'), soon).toBe('False NotAllowed');
      expect((await condition(name, 'team-b'))?.message).toContain(`spec.providerSpec.${field}: `);
    }
    await lab.virsh('pool-undefine', 'corp');
    await lab.kubectl('delete', 'machine', 'pool', 'disk', '--namespace=team-b');
  });

  it('a Cluster that names a network of the host does not open it to Machines', async () => {
    await lab.apply(
      cluster('b', { network: { name: 'corp', mode: 'none', addresses: ['10.88.64.0/20'] } }, 'team-b'),
    );
    await expect.poll(() => clusterState('b', 'team-b'), soon).toContain('NotOwned');
    await lab.apply(on('host', 'team-b', 'corp', { autostart: true }));
    await expect.poll(() => ready('host', 'team-b'), soon).toBe('False NotOwned');
    expect((await lab.host()).domains).not.toContain('team-b.host');
  });

  it('those that an operator shares are open to all, and machines on them stay when they no longer are', async () => {
    await lab.apply(cluster('b', {}, 'team-b'));
    await controller.stop();
    const { CAPLV_ALLOW, ...env } = settings();
    controller = await ControllerProcess.start({
      ...env,
      CAPLV_ALLOW: `${CAPLV_ALLOW},network:corp,network:lan`,
    });
    for (const name of ['guest', 'host'])
      await expect.poll(() => ready(name, 'team-b'), soon).toBe('True AsSpecified');
    await controller.stop();
    controller = await ControllerProcess.start(settings());
    await lab.virsh('undefine', 'team-b.host');
    await expect.poll(async () => (await lab.host()).domains, soon).toContain('team-b.host');
    await expect.poll(() => ready('host', 'team-b'), soon).toBe('True AsSpecified');
    await lab.apply(on('guest', 'team-b', 'lan', { vcpu: 2 }));
    await expect.poll(() => ready('guest', 'team-b'), soon).toBe('False NotAllowed');
    expect((await lab.host()).domains).toContain('team-b.guest');
    await lab.kubectl('delete', 'machine', 'guest', 'host', '--namespace=team-b');
    expect((await lab.host()).domains.sort()).toEqual(['other.victim', 'team-a.first']);
  });
});
