/** Verifies help, usage errors, environment variables and colours of the command line. */

import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { scratchDir } from '../terraform/scratch.ts';
import { Caplv, PROGRAM, userEnvironment } from './caplv.ts';

/** No libvirt behind it: all of this is settled before one is asked. */
async function emptyHanded(env: Readonly<Record<string, string>> = {}): Promise<Caplv> {
  return new Caplv(userEnvironment({ CAPLV_STATE_DIR: join(await scratchDir(), 'state'), ...env }));
}

test('help names every command, gives examples, and the meaning of the exit codes', async () => {
  const caplv = await emptyHanded();
  const help = await caplv.read(['--help']);
  const commands = [
    'apply',
    'plan',
    'get',
    'describe',
    'delete',
    'kubeconfig',
    'ssh',
    'console',
    'export',
    'doctor',
  ];
  for (const command of commands) expect(help).toMatch(new RegExp(`^ {2}${command} `, 'm'));
  expect(help).toContain('caplv apply -f deploy/examples/kube-cp.yaml --wait');
  expect(help).toContain(
    'Exit codes: 0 done, 1 failed, 2 plan shows changes or orphans finds some, 3 refused input',
  );
  const apply = await caplv.read(['apply', '--help']);
  expect(apply).toContain('--allow-replace');
  expect(apply).toContain('caplv options');
  for (const page of [apply, help]) expect(page).not.toContain('--provider-mode');
  expect(await caplv.read(['options'])).toMatch(/--state-dir[\s\S]*--provider-mode/);
});

test('a pipe that is closed after the first line causes no stack trace', async () => {
  const command = 'for i in 1 2 3 4 5; do "$0" "$1" --help; echo "exit $?" >&2; done | true';
  const { stderr } = await execa('sh', ['-c', command, process.execPath, PROGRAM]);
  expect(stderr.split('\n')).toEqual(Array(5).fill('exit 0'));
});

test('the version is that of the package', async () => {
  const text = await readFile(join(import.meta.dirname, '../../package.json'), 'utf8');
  expect(await (await emptyHanded()).read(['--version'])).toBe(JSON.parse(text).version);
});

test.each([
  ['no command', [], /^Usage: caplv/],
  ['an unknown command', ['aply'], /unknown command 'aply'\n\(Did you mean apply\?\)/],
  ['an unknown flag', ['get', 'machines', '--nope'], /unknown option '--nope'/],
  ['a flag that is missing', ['apply'], /required option '-f, --filename <file...>' not specified/],
  ['an unknown kind', ['get', 'pods'], /there is no kind "pods" .*\n {2}fix: use one of clusters, machines/],
  [
    'a kind of a cluster',
    ['get', 'libvirtmachines'],
    /--kubeconfig: a LibvirtMachine is an object of a cluster/,
  ],
  ['a plan of nothing', ['plan'], /plan takes either -f FILE or a kind and a name/],
  ['a plan of a set', ['plan', 'machineset', 'one'], /there is no plan of a MachineSet by its name/],
  [
    'an unknown format',
    ['get', 'machines', '-o', 'xml'],
    /Allowed choices are wide, json, yaml, name, jsonpath=/,
  ],
  ['a duration that is none', ['apply', '-f', '-', '--wait=soon'], /--wait: "soon" is not a duration/],
  ['a kind and KIND/NAME', ['get', 'machine', 'machine/web'], /"machine" names no object/],
  ['a selector that is none', ['get', 'machines', '-l', '!a=b'], /label selector term "!a=b" is malformed/],
  ['names beside a selector', ['get', 'machines', 'a', '-l', 'a=b'], /--selector: .*leave out the names/s],
  ['a path that is none', ['get', 'machines', '-o', 'jsonpath={.a'], /brace that is not closed/],
  ['a watch of two kinds', ['get', 'machines,clusters', '-w'], /--watch: objects of one kind/],
  ['a set that is no machine', ['console', 'machineset/one'], /"machineset\/one" names no machine/],
  ['nothing to delete', ['delete', 'machine'], /delete takes either -f FILE or a kind and names/],
  ['all of no kind', ['delete', '--all'], /delete takes either/],
  ['all, and a name', ['delete', 'machine', 'web', '--all'], /delete takes either/],
  ['all, and a selector', ['delete', 'machines', '--all', '-l', 'a=b'], /delete takes either/],
  ['a file, and a kind', ['delete', 'machines', '-f', '-', '--all'], /delete takes either/],
  ['a label that is none', ['label', 'machine/web', 'a=two words'], /cannot be the value of a label/],
  ['a label of nothing', ['label', 'machines', 'a=b'], /label takes either a kind and names/],
  ['a scale of a machine', ['scale', 'machine/web', '--replicas=1'], /a Machine cannot be scaled/],
  ['a number that is none', ['scale', 'ms/a', '--replicas=-1'], /--replicas: "-1" is no number/],
  ['a rollout of a set', ['rollout', 'undo', 'ms/a'], /a MachineSet has no rollouts/],
  ['a dry run that is none', ['apply', '-f', '-', '--dry-run=maybe'], /Allowed choices are client, server/],
])('usage: %s', async (_, args, message) => {
  const { exitCode, stdout, stderr } = await (await emptyHanded()).run(args);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/ {4}at |bug in caplv/);
  expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
});

test('every flag has a variable, and the flag wins', async () => {
  const caplv = await emptyHanded({ CAPLV_OUTPUT: 'name', CAPLV_NAMESPACE: 'kube' });
  expect(await caplv.run(['get', 'machines', '-o', 'wide'])).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining('No machines in namespace "kube"'),
  });
  expect(await caplv.run(['get', 'machines', '-n', 'other', '-o', 'wide'])).toMatchObject({
    stderr: expect.stringContaining('"other"'),
  });
  expect(await caplv.run(['get', 'machines'], { env: { CAPLV_OUTPUT: 'xml' } })).toMatchObject({
    exitCode: 3,
  });
});

/** Sets without machines: they need neither a host nor a controller. */
const setNamed = (name: string, replicas = 0) => ({
  apiVersion: 'cluster-api.k8s.io/v1alpha1',
  kind: 'MachineSet',
  metadata: { name, labels: { app: name } },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { providerSpec: { vcpu: 1, memoryMiB: 96, imageURI: '/image.qcow2' } },
    },
  },
});
const manifestOf = (...items: readonly object[]) => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

test('a dry run says what apply would do, and does nothing', async () => {
  const caplv = await emptyHanded();
  await caplv.read(['apply', '-f', '-'], { input: manifestOf(setNamed('a'), setNamed('b')) });
  const input = manifestOf(setNamed('a'), setNamed('b', 1), setNamed('c'));
  const lines = (suffix: string) =>
    ['a unchanged', 'b configured', 'c created'].map((line) => `machineset/${line} (${suffix})`).join('\n');
  expect(await caplv.read(['apply', '-f', '-', '--dry-run=client'], { input })).toBe(lines('dry run'));
  expect(await caplv.read(['apply', '-f', '-', '--dry-run'], { input })).toBe(lines('dry run'));
  expect(await caplv.read(['apply', '-f', '-', '--dry-run=server'], { input })).toBe(lines('server dry run'));
  expect(await caplv.read(['get', 'ms', '-o', 'jsonpath={.items[*].spec.replicas}'])).toBe('0 0');
});

test('objects are deleted by KIND/NAME, by labels, all at once, or in a directory with those below it', async () => {
  const caplv = await emptyHanded();
  const names = ['a', 'b', 'c', 'd', 'e'];
  const input = manifestOf(...names.map((name) => setNamed(name)));
  await caplv.read(['apply', '-f', '-'], { input });
  const left = () => caplv.read(['get', 'ms', '-o', 'jsonpath={.items[*].metadata.name}']);
  expect(await caplv.read(['delete', 'machinesets', '--all', '--dry-run=client'])).toContain(
    'machineset/e deleted (dry run)',
  );
  // What deletes is typed: no variable that lingers in a shell does it.
  const variables = { CAPLV_ALL: 'true', CAPLV_SELECTOR: 'app', CAPLV_FILENAME: '-', CAPLV_NOW: 'true' };
  expect(await caplv.run(['delete', 'machinesets'], { env: variables, input })).toMatchObject({
    exitCode: 3,
  });
  expect(await left()).toBe('a b c d e');
  await caplv.read(['delete', 'machineset/a', 'ms/b']);
  await caplv.read(['delete', 'machinesets', '-l', 'app in (c,x)']);
  expect(await left()).toBe('d e');
  expect(await caplv.run(['delete', 'machinesets', '-l', 'app=nobody'])).toMatchObject({
    exitCode: 0,
    stderr: 'There is nothing to delete.',
  });
  const directory = await scratchDir();
  await mkdir(join(directory, 'below'));
  await writeFile(join(directory, 'below', 'd.json'), JSON.stringify(setNamed('d')));
  expect(await caplv.run(['delete', '-f', directory])).toMatchObject({ exitCode: 3 });
  await caplv.read(['delete', '-R', '-f', directory]);
  expect(await caplv.read(['delete', 'all', '--all'])).toBe('machineset/e deleted');
  expect(await left()).toBe('');
});

test('sets are scaled, labelled and annotated in the local store, too; it keeps no events', async () => {
  const caplv = await emptyHanded();
  await caplv.read(['apply', '-f', '-'], { input: manifestOf(setNamed('a'), setNamed('b')) });
  expect(await caplv.run(['scale', 'machineset/a', '--replicas=2'])).toMatchObject({
    stdout: 'machineset/a scaled',
    stderr: expect.stringContaining('caplv controller --local'),
  });
  expect(await caplv.read(['label', 'ms', 'a', 'b', 'tier=front'])).toBe(
    'machineset/a labeled\nmachineset/b labeled',
  );
  await caplv.read(['annotate', 'ms/a', 'note=x']);
  await caplv.read(['label', 'ms', '-l', 'tier=front,app!=a', 'tier-']);
  const path = '{range .items[*]}{.spec.replicas}{.metadata.labels}{.metadata.annotations.note};{end}';
  expect(await caplv.read(['get', 'ms', '-o', `jsonpath=${path}`])).toBe(
    '2{"app":"a","tier":"front"}x;0{"app":"b"};',
  );
  // A manifest that is applied again takes back what it says itself, and leaves the rest.
  await caplv.read(['apply', '-f', '-'], { input: manifestOf(setNamed('a')) });
  expect(await caplv.read(['get', 'ms', 'a', '-o', 'jsonpath={.spec.replicas}{.metadata.labels.tier}'])).toBe(
    '0front',
  );
  expect(await caplv.run(['events'])).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('local store has none'),
  });
  expect(await caplv.run(['scale', 'machineset/nobody', '--replicas=2'])).toMatchObject({ exitCode: 1 });
});

test('bash completes commands, values and names of objects', async () => {
  const caplv = await emptyHanded();
  await caplv.read(['apply', '-f', '-'], { input: manifestOf(setNamed('front'), setNamed('front-2')) });
  const script = await caplv.read(['completion', 'bash']);
  const completed = async (...words: readonly string[]) => {
    const line = ['caplv', ...words].map((word) => `'${word}'`).join(' ');
    const program = `caplv() { '${process.execPath}' '${PROGRAM}' "$@"; }
${script}
COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _caplv; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await execa('bash', ['-c', program], { env: caplv.env, extendEnv: false })).stdout.split('\n');
  };
  expect(await completed('get', 'machinese')).toEqual(['machinesets']);
  expect(await completed('scale', 'machineset/fr')).toEqual(['machineset/front', 'machineset/front-2']);
  expect(await completed('get', 'ms', 'front-')).toEqual(['front-2']);
  expect(await completed('apply', '--dry-run', '=', 'cl')).toEqual(['client']);
  expect(await completed('get', 'pods', '')).toEqual(['']);
});

test('the version of caplv alone needs neither Terraform nor a host', async () => {
  const caplv = await emptyHanded();
  expect(JSON.parse(await caplv.read(['version', '--client', '-o', 'json']))).toEqual({
    caplv: {
      version: await caplv.read(['--version']),
      node: process.versions.node,
      platform: expect.any(String),
    },
  });
  const away = await caplv.run(['version', '--terraform', '/no/such', '--libvirt-uri', 'test:///no/such']);
  expect(away).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^caplv \S+ \(Node/) });
  expect(away.stderr.match(/^error: /gm)).toHaveLength(2);
});

test('the kubeconfig of a cluster is written unchanged, into a file that only its owner can read', async () => {
  const caplv = await emptyHanded({ CAPLV_OUTPUT: 'json' });
  const early = await caplv.run(['kubeconfig', 'fujisan']);
  expect(early).toMatchObject({ exitCode: 1, stdout: '' });
  expect(early.stderr).toMatch(
    /kubeconfig of cluster fujisan is not there yet: Secret default\/fujisan-kubeconfig does not exist \[NotFound\]\n {2}fix: .*admin\.conf/,
  );
  const stringData = { value: 'apiVersion: v1\nkind: Config\n' };
  const metadata = { name: 'fujisan-kubeconfig', namespace: 'default' };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata, stringData };
  await caplv.read(['apply', '-f', '-'], { input: JSON.stringify(secret) });
  expect(`${await caplv.read(['kubeconfig', 'fujisan'])}\n`).toBe(stringData.value);
  const file = join(await scratchDir(), 'kubeconfig');
  await writeFile(file, 'of before', { mode: 0o644 });
  expect(await caplv.read(['kubeconfig', 'cluster/fujisan', '-o', file])).toBe('');
  expect(await readFile(file, 'utf8')).toBe(stringData.value);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const nowhere = await caplv.run(['kubeconfig', 'fujisan', '-o', '/no/such/directory/file']);
  expect(nowhere).toMatchObject({ exitCode: 3, stdout: '' });
  expect(nowhere.stderr).toContain('--output');
});

test('colour on a terminal, unless it is turned off', async () => {
  const caplv = await emptyHanded();
  const onTerminal = async (flags: string, env: Readonly<Record<string, string>> = {}) => {
    const command = `'${process.execPath}' '${PROGRAM}' get machine nobody ${flags}`;
    const { stdout } = await execa('script', ['--quiet', '--command', command, '/dev/null'], {
      env: { ...caplv.env, TERM: 'xterm', ...env },
      extendEnv: false,
      stdin: 'ignore',
    });
    return stdout;
  };
  expect(await onTerminal('')).toContain(styleText('red', 'error:', { validateStream: false }));
  expect(await onTerminal('', { NO_COLOR: '1' })).toMatch(/^error: /);
  expect(await onTerminal('', { CAPLV_NO_COLOR: '1' })).toMatch(/^error: /);
  expect(await onTerminal('--no-color')).toMatch(/^error: /);
  expect((await caplv.run(['get', 'machine', 'nobody'])).stderr).toMatch(/^error: /);
});
