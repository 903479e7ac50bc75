/** Verifies kubectl's habits over an API server: what people select, watch and change with `caplv --kubeconfig`. No controller runs. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Caplv, userEnvironment } from '../e2e/caplv.ts';
import { KubeLab } from '../lab/kube/kube-lab.ts';

let lab: KubeLab;
let directory: string;
let caplv: Caplv;

const API = 'cluster-api.k8s.io/v1alpha1';
const template = (vcpu: number, labels: object = {}) => ({
  metadata: { labels: { app: 'x', ...labels } },
  spec: { providerSpec: { vcpu, memoryMiB: 96, imageURI: 'https://images.example/a.qcow2' } },
});
const selector = { matchLabels: { app: 'x' } };
const deployment = {
  apiVersion: API,
  kind: 'MachineDeployment',
  metadata: { name: 'workers', labels: { tier: 'back' } },
  spec: { replicas: 0, selector, template: template(2) },
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-habits-'));
  lab = await KubeLab.up({ dir: directory });
  await kubectl('apply', '--filename', join(import.meta.dirname, '../../deploy/crds'));
  await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
  const env = { CAPLV_KUBECONFIG: lab.kubeconfig, CAPLV_STATE_DIR: join(directory, 'state') };
  caplv = new Caplv(userEnvironment(env));
  await caplv.read(['apply', '-f', '-'], { input: JSON.stringify(deployment) });
}, 900_000);

afterAll(async () => {
  await lab?.down();
  if (directory) await rm(directory, { recursive: true, force: true });
});

async function kubectl(...args: readonly string[]): Promise<string> {
  return (await execa(lab.kubectl, ['--kubeconfig', lab.kubeconfig, ...args])).stdout;
}

async function create(object: object): Promise<void> {
  const input = JSON.stringify(object);
  await execa(lab.kubectl, ['--kubeconfig', lab.kubeconfig, 'create', '-f', '-'], { input });
}

test('a dry run is checked by the API server, and stores nothing', async () => {
  const changed = { ...deployment, spec: { ...deployment.spec, replicas: 4 } };
  const made = { ...deployment, metadata: { name: 'others' } };
  const dry = (object: object, how: string) =>
    caplv.run(['apply', '-f', '-', `--dry-run=${how}`], { input: JSON.stringify(object) });
  for (const [how, suffix] of Object.entries({ client: 'dry run', server: 'server dry run' })) {
    expect((await dry(deployment, how)).stdout).toBe(`machinedeployment/workers unchanged (${suffix})`);
    expect((await dry(changed, how)).stdout).toBe(`machinedeployment/workers configured (${suffix})`);
    expect((await dry(made, how)).stdout).toBe(`machinedeployment/others created (${suffix})`);
  }
  expect(await kubectl('get', 'machinedeployments', '-o', 'jsonpath={.items[*].spec.replicas}')).toBe('0');
});

test('labels, annotations and replicas are changed, and a watch shows it', async () => {
  const watch = caplv.start([
    'get',
    'md',
    '-w',
    '-l',
    'tier in (back)',
    '-o',
    'jsonpath={.metadata.labels}={.spec.replicas}',
  ]);
  await watch.prints(/\{"tier":"back"\}=0/);
  expect(await caplv.read(['scale', 'md/workers', '--replicas=2'])).toBe('machinedeployment/workers scaled');
  await watch.prints(/\{"tier":"back"\}=2/);
  expect(await caplv.read(['label', 'md', 'workers', 'a.example/b=c'])).toBe(
    'machinedeployment/workers labeled',
  );
  await watch.prints(/"a\.example\/b":"c".*=2/);
  watch.interrupt();
  const { exitCode, stderr } = await watch.result;
  expect(exitCode).toBe(130);
  // Nothing runs that has to end.
  expect(stderr).not.toMatch(/error|running operation/);

  const kept = await caplv.run(['label', 'md', '--all', 'tier=front']);
  expect(kept).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('--overwrite') });
  await caplv.read(['label', 'md', '--all', 'tier=front', 'a.example/b-', '--overwrite']);
  await caplv.read(['annotate', 'md', '-l', 'tier=front', 'note=two words']);
  const shown = 'jsonpath={.metadata.labels} {.metadata.annotations.note}';
  expect(await kubectl('get', 'machinedeployment', 'workers', '-o', shown)).toBe(
    '{"tier":"front"} two words',
  );
  // Same language as kubectl's.
  for (const path of ['{range .items[*]}{.metadata.name}{"\\t"}{.spec.replicas}{end}', '{..vcpu}'])
    expect(await caplv.read(['get', 'md', '-o', `jsonpath=${path}`])).toBe(
      await kubectl('get', 'machinedeployments', '-o', `jsonpath=${path}`),
    );
  const columns = 'custom-columns=NAME:.metadata.name,TIER:.metadata.labels.tier,NONE:.spec.nothing';
  expect(await caplv.read(['get', 'md', '-o', columns])).toBe(
    (await kubectl('get', 'machinedeployments', '-o', columns)).replaceAll(/ +$/gm, ''),
  );
});

test('a rollout is paused, gone on with, restarted, shown and undone', async () => {
  const { uid } = JSON.parse(await kubectl('get', 'machinedeployment', 'workers', '-o', 'json')).metadata;
  const owner = { apiVersion: API, kind: 'MachineDeployment', name: 'workers', uid, controller: true };
  for (const [revision, vcpu] of [
    [1, 1],
    [2, 2],
  ] as const) {
    const name = `workers-${revision}`;
    const annotations = { 'cluster-api.k8s.io/revision': `${revision}` };
    await create({
      apiVersion: API,
      kind: 'MachineSet',
      metadata: { name, annotations, ownerReferences: [owner] },
      spec: { replicas: 0, selector, template: template(vcpu, { 'machine-template-hash': name }) },
    });
  }
  const rollout = (verb: string, ...args: readonly string[]) =>
    caplv.run(['rollout', verb, 'md/workers', ...args]);
  expect((await rollout('history')).stdout).toMatch(/^REVISION .*\n1 +workers-1 .*\n2 +workers-2 /);
  expect((await rollout('history', '--revision=1')).stdout).toMatch(/vcpu: 1\b/);
  expect((await rollout('pause')).stdout).toBe('machinedeployment/workers paused');
  expect(await rollout('pause')).toMatchObject({ exitCode: 3 });
  expect(await rollout('undo')).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('rollout resume'),
  });
  expect((await rollout('resume')).stdout).toBe('machinedeployment/workers resumed');
  expect(await rollout('undo', '--to-revision=9')).toMatchObject({ exitCode: 1 });
  expect((await rollout('undo')).stdout).toBe('machinedeployment/workers rolled back');
  expect((await rollout('restart')).stdout).toBe('machinedeployment/workers restarted');
  const after = JSON.parse(await kubectl('get', 'machinedeployment', 'workers', '-o', 'json')).spec.template;
  expect(after.spec.providerSpec.vcpu).toBe(1);
  expect(after.metadata).toEqual({
    labels: { app: 'x' },
    annotations: { 'cluster-api.k8s.io/restarted-at': expect.stringMatching(/^\d{4}-/) },
  });
  expect((await rollout('status', '--no-watch')).stdout).toContain('waiting for the controller');
  expect(await caplv.run(['rollout', 'status', 'machineset/workers-1'])).toMatchObject({ exitCode: 3 });
  const owned = await caplv.run(['scale', 'machineset/workers-1', '--replicas=1']);
  expect(owned).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('caplv scale machinedeployment/workers'),
  });
});

test('events are listed, also below what describe shows', async () => {
  const involvedObject = {
    apiVersion: API,
    kind: 'MachineDeployment',
    name: 'workers',
    namespace: 'default',
  };
  const times = { firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:00Z' };
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    type: 'Warning',
    reason: 'Late',
    message: 'too slow',
    ...times,
  };
  await create({ ...event, metadata: { name: 'workers.1' }, involvedObject });
  await create({
    ...event,
    metadata: { name: 'pod.1' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
  });
  const listed = await caplv.read(['events']);
  expect(listed).toMatch(/^LAST SEEN .*\n\S+ +Warning +Late +machinedeployment\/workers +too slow$/);
  expect(await caplv.read(['events', 'md/workers', '--no-headers'])).toMatch(/^\S+ +Warning +Late/);
  expect(await caplv.run(['events', '--types=Normal'])).toMatchObject({
    stderr: expect.stringContaining('No events'),
  });
  expect(await caplv.read(['describe', 'md/workers'])).toMatch(/Events:\n.*\n +\S+ +Warning +Late +too slow/);
  const both = JSON.parse(await caplv.read(['describe', 'md,ms', '-o', 'json']));
  expect(both).toMatchObject([{ kind: 'MachineDeployment', events: [{ reason: 'Late' }] }, {}, {}]);
});

test('all sets of a label are deleted, and nothing else', async () => {
  await caplv.read(['label', 'machineset/workers-1', 'old=']);
  expect(await caplv.read(['delete', 'machinesets', '-l', 'old', '--dry-run=client'])).toBe(
    'machineset/workers-1 deleted (dry run)',
  );
  expect(await caplv.read(['delete', 'machinesets', '-l', 'old'])).toBe('machineset/workers-1 deleted');
  expect(await caplv.read(['get', 'md,ms', '-o', 'name'])).toBe(
    'machinedeployment/workers\nmachineset/workers-2',
  );
});
