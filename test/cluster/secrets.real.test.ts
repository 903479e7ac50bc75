/** Verifies that no secret of a Machine appears outside of the places that need it. */

import { randomUUID } from 'node:crypto';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Gate } from '../e2e/gate.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ControllerProcess } from './controller-process.ts';

const soon = { timeout: 60_000, interval: 100 };

const RUN = randomUUID();
/** One for each place that may hold a secret. */
const TOKENS = {
  inline: `planted-inline-${RUN}`,
  network: `planted-network-${RUN}`,
  secret: `planted-secret-${RUN}`,
  ignition: `planted-ignition-${RUN}`,
  kubeconfig: `planted-kubeconfig-${RUN}`,
} as const;
const PLANTED = new RegExp(`planted-[a-z]+-${RUN}`);

const userData = (token: string) =>
  `#cloud-config\nwrite_files:\n  - {path: /etc/token, content: ${token}}\n`;

let lab: ClusterLab;
let controller: ControllerProcess;
let gate: Gate;
const said: string[] = [];

beforeAll(async () => {
  lab = await ClusterLab.up('test-secrets');
  await chmod(lab.lab.directory, 0o755);
  gate = await Gate.make(join(lab.lab.directory, 'gate'));
  controller = await ControllerProcess.start(lab.env());
  await plant();
});

afterAll(async () => {
  await gate?.open();
  await lab?.kubectl('delete', 'machines,clusters', '--all', '--wait=true');
  await controller?.stop();
  await lab?.down();
});

async function plant(): Promise<void> {
  const { kube } = lab;
  const kubeconfig = `apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: a, user: {token: ${TOKENS.kubeconfig}}}]
`;
  const secret = (name: string, data: object) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'default' },
    stringData: data,
  });
  const bootstrapped = lab.machine('secret') as { spec: object };
  await lab.apply(
    secret('bootstrap', { value: userData(TOKENS.secret) }),
    secret('workload-kubeconfig', { value: kubeconfig }),
    {
      apiVersion: 'cluster-api.k8s.io/v1alpha1',
      kind: 'Cluster',
      metadata: { name: 'workload', namespace: 'default' },
      spec: {},
    },
    lab.machine('inline', {
      running: true,
      userData: userData(TOKENS.inline),
      networkConfig: `# ${TOKENS.network}\nversion: 2\n`,
      terraform: gate.afterDomain(),
    }),
    { ...bootstrapped, spec: { ...bootstrapped.spec, bootstrap: { dataSecretName: 'bootstrap' } } },
    lab.machine('ignition', {
      ignition: JSON.stringify({ ignition: { version: '3.4.0' }, token: TOKENS.ignition }),
    }),
  );
  expect(kube.kubeconfig).not.toBe('');
}

/** Pids of all that the controller has started, and what they have started, whichever session they are in. */
async function family(): Promise<{ pid: string; name: string }[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    all.map(async (pid) => {
      const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
      return { pid, name: name.trim(), isOurs: environ.includes(`CAPLV_KUBECONFIG=${lab.kube.kubeconfig}`) };
    }),
  );
  return found.filter(({ isOurs }) => isOurs);
}

async function asNobody(script: string): Promise<string> {
  const args = ['--reuid=65534', '--regid=65534', '--clear-groups', 'sh', '-c', script];
  return (await execa('setpriv', args, { reject: false, cwd: '/' })).stdout;
}

async function caplv(...args: string[]): Promise<string> {
  const { stdout, stderr } = await lab.caplv(...args, '-v');
  said.push(stdout + stderr);
  return stdout;
}

it('while terraform runs, secrets are in no environment, command line or file that others can read, and no process dumps core', async () => {
  try {
    await vi.waitUntil(async () => (await lab.virsh('list', '--name')).includes('default.inline'), soon);
    await vi.waitUntil(async () => (await lab.ready('secret'))?.startsWith('True'), soon);
    const coreLimits: (string | undefined)[] = [];
    const processes = await family();
    const names = processes.map(({ name }) => name);
    expect(names).toContainEqual(expect.stringMatching(/^(terraform|tofu)$/));
    expect(names).toContainEqual(expect.stringMatching(/^terraform-provi/));
    for (const { pid, name } of processes) {
      for (const file of ['environ', 'cmdline']) {
        expect(await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')).not.toMatch(PLANTED);
      }
      if (!name.startsWith('terraform')) continue;
      // One that has ended meanwhile dumps nothing.
      const limits = await readFile(`/proc/${pid}/limits`, 'utf8').catch(() => undefined);
      if (limits !== undefined) coreLimits.push(limits.match(/^Max core file size +(\S+ +\S+)/m)?.[1]);
    }
    expect(coreLimits.length).toBeGreaterThanOrEqual(2);
    for (const limit of coreLimits) expect(limit).toMatch(/^0 +0$/);
    expect(await asNobody('cat /proc/[0-9]*/cmdline')).not.toMatch(PLANTED);
    const places = [lab.lab.directory, tmpdir(), '/var/tmp', '/run', '/dev/shm'].join(' ');
    const found = await asNobody(`grep -rlE -e '${PLANTED.source}' ${places} 2>/dev/null`);
    // The provider gives an Ignition volume no mode: see SECURITY.md.
    expect(found.split('\n').filter((path) => path !== '' && !path.endsWith('.ign'))).toEqual([]);
  } finally {
    await gate.open();
  }
  await expect.poll(() => lab.ready('inline'), soon).toMatch(/^True|WaitingForAddress/);
});

it('after the run, secrets are in no temporary directory', async () => {
  await expect.poll(() => lab.ready('ignition'), soon).toMatch(/^True/);
  const { stdout } = await execa('grep', ['-rlE', '-e', PLANTED.source, tmpdir(), '/var/tmp'], {
    reject: false,
  });
  const left = stdout.split('\n').filter((path) => path !== '' && !/\/(etcd|kube-)/.test(path));
  // Ignition is in the configuration that terraform works with, for as long as the controller runs.
  expect(
    left.filter((path) => !path.endsWith('/ignition/cdk.tf.json') && !path.includes('caplv-kube-')),
  ).toEqual([]);
});

it('secrets are in no status, event, label or metric', async () => {
  const kinds = 'machines,clusters,events.events.k8s.io,leases,configmaps';
  const { items } = JSON.parse(await lab.kubectl('get', kinds, '-o', 'json')) as {
    items: { metadata: object }[];
  };
  expect(items.length).toBeGreaterThan(5);
  for (const { spec: _, metadata, ...rest } of items as {
    spec?: object;
    metadata: Record<string, unknown>;
  }[]) {
    const { annotations, ...kept } = metadata as { annotations?: Record<string, string> };
    const { 'kubectl.kubernetes.io/last-applied-configuration': __, ...notes } = annotations ?? {};
    expect(JSON.stringify([kept, notes, rest])).not.toMatch(PLANTED);
  }
  expect(await controller.fetch('/metrics')).not.toMatch(PLANTED);
  expect(await controller.fetch('/readyz')).not.toMatch(PLANTED);
});

it('secrets are in no output of caplv, in any format, errors included', async () => {
  for (const name of ['inline', 'ignition']) {
    for (const format of ['json', 'yaml']) await caplv('get', 'machine', name, '-o', format);
    await caplv('describe', 'machine', name);
    await caplv('state', 'list', name);
    for (const format of ['json', 'yaml']) {
      await caplv('describe', 'machine', name, '-o', format);
      await caplv('state', 'show', name, '-o', format);
    }
  }
  for (const format of ['json', 'yaml']) await caplv('describe', 'cluster', 'workload', '-o', format);
  const manifest = join(lab.lab.directory, 'changed.json');
  const changed = lab.machine('inline', {
    running: true,
    memoryMiB: 160,
    userData: `${userData(TOKENS.inline)}# changed\n`,
    terraform: gate.afterDomain(),
  });
  await writeFile(manifest, JSON.stringify(changed), { mode: 0o600 });
  for (const format of ['json', 'yaml'])
    expect(await caplv('plan', '-f', manifest, '-o', format)).toContain('memory');
  await lab.apply(changed);
  await expect.poll(() => lab.ready('inline'), soon).toBe('False ReplaceRefused');
  expect(said.join('\n')).toMatch(/\(hidden, \d+ bytes\)/);
  expect(said.join('\n')).not.toMatch(PLANTED);
});

it("secrets are in no line of the controller's log, at any level", () => {
  expect(controller.lines.map(({ level }) => level)).toContain('debug');
  expect(JSON.stringify(controller.lines)).not.toMatch(PLANTED);
});

it('after the deletion, secrets are in no state, volume or file', async () => {
  await lab.kubectl('delete', 'machines', '--all', '--wait=true');
  expect(await lab.host()).toEqual({ domains: [], volumes: [] });
  expect(await lab.kubectl('get', 'secrets', '-o', 'name')).not.toContain('tfstate');
  const pool = (await lab.virsh('pool-dumpxml', 'default')).match(/<path>(.*)<\/path>/)?.[1] ?? '/nowhere';
  const { stdout } = await execa('grep', ['-rlE', '-e', PLANTED.source, pool], { reject: false });
  expect(stdout).toBe('');
});
