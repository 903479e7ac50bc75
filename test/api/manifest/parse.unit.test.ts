/** Verifies which manifests are accepted, and that errors name line, field and fix. */

import { describe, expect, test } from 'vitest';
import { clusterNameOf, type Machine, machineProviderSpec } from '../../../src/api/kinds/machine.ts';
import { memoryMiB } from '../../../src/api/kinds/machine-provider-spec.ts';
import { ManifestError } from '../../../src/api/manifest/error.ts';
import { type ManifestOptions, parseManifests } from '../../../src/api/manifest/parse.ts';

const KUBE_CP = `
apiVersion: cluster-api.k8s.io/v1alpha1
kind: Machine
metadata: {name: kube-cp}
spec:
  providerSpec: {vcpu: 2, memoryInGB: 2, imageURI: /images/debian.qcow2}
  versions: {kubelet: 1.15.0}
`;

function read(text: string, options?: ManifestOptions & { directory?: string }) {
  return parseManifests(text, 'test.yaml', options).map(({ object }) => object as Machine);
}

function problems(text: string, options?: ManifestOptions): string[] {
  try {
    parseManifests(text, 'test.yaml', options);
  } catch (error) {
    if (error instanceof ManifestError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('what people write is accepted', () => {
  test.each([
    ['inline', '{vcpu: 2, memoryInGB: 2, imageURI: /a}'],
    ['under value', '{value: {vcpu: 2, memoryInGB: 2, imageURI: /a}}'],
    ['inline with an inner spec', '{spec: {vcpu: 2, memoryInGB: 2, imageURI: /a}}'],
    [
      'as in 2019',
      '{value: {apiVersion: libvirt.cluster.k8s.io/v1alpha1, kind: LibvirtMachineProviderSpec, metadata: {}, spec: {vcpu: 2, memoryInGB: 2, imageURI: /a}}}',
    ],
  ])('provider spec %s', (_, providerSpec) => {
    const [machine] = read(
      `{apiVersion: cluster-api.k8s.io/v1alpha1, kind: Machine, metadata: {name: a}, spec: {providerSpec: ${providerSpec}}}`,
    );
    expect(machine && machineProviderSpec(machine)).toMatchObject({
      vcpu: 2,
      imageURI: '/a',
      domainType: 'auto',
      running: true,
    });
  });

  test.each(['cluster.k8s.io/v1alpha1', 'libvirt.cluster.k8s.io/v1alpha1'])(
    'older spelling %s',
    (apiVersion) => {
      const [machine] = read(KUBE_CP.replace('cluster-api.k8s.io/v1alpha1', apiVersion));
      expect(machine?.apiVersion).toBe('cluster-api.k8s.io/v1alpha1');
    },
  );

  test('JSON, several documents, empty documents and a List', () => {
    const json = JSON.stringify(read(KUBE_CP)[0]);
    const list = `{"apiVersion": "v1", "kind": "List", "items": [${json.replace('kube-cp', 'b')}, ${json.replace('kube-cp', 'c')}]}`;
    expect(read(`---\n${KUBE_CP}---\n---\n${list}\n`).map(({ metadata }) => metadata.name)).toEqual([
      'kube-cp',
      'b',
      'c',
    ]);
  });

  test('an object that was shown by `get -o yaml`: what only the store writes is dropped', () => {
    const shown = `${KUBE_CP.replace('{name: kube-cp}', '{name: kube-cp, uid: x, resourceVersion: "7", generation: 2, creationTimestamp: null}')}status: {phase: Running}\n`;
    expect(read(shown)).toEqual(read(KUBE_CP));
  });

  test('nothing is defaulted in the object: a later apply must not take over what others set', () => {
    expect(read(KUBE_CP)[0]?.spec.providerSpec).toEqual({
      vcpu: 2,
      memoryInGB: 2,
      imageURI: '/images/debian.qcow2',
    });
  });

  test('the namespace comes from the object, else from the options', () => {
    expect(read(KUBE_CP)[0]?.metadata.namespace).toBe('default');
    expect(read(KUBE_CP, { namespace: 'lab' })[0]?.metadata.namespace).toBe('lab');
    expect(
      read(KUBE_CP.replace('kube-cp', 'a, namespace: b'), { namespace: 'lab' })[0]?.metadata.namespace,
    ).toBe('b');
  });

  test.each([
    ['label', { labels: { 'cluster-api.k8s.io/cluster-name': 'fujisan' } }, {}],
    ['older label', { labels: { 'cluster.k8s.io/cluster-name': 'fujisan' } }, {}],
    [
      'spec.clusterName, over a label',
      { labels: { 'cluster-api.k8s.io/cluster-name': 'x' } },
      { clusterName: 'fujisan' },
    ],
  ])('a machine names its cluster by %s', (_, metadata, spec) => {
    expect(clusterNameOf({ metadata: { name: 'a', ...metadata }, spec })).toBe('fujisan');
  });

  test.each([
    [{ memoryInGB: 2 }, 2048],
    [{ memoryInGB: 0.5 }, 512],
    [{ memoryInGB: 0.3 }, 308],
    [{ memoryMiB: 100 }, 100],
  ])('%j of memory is %i MiB', (given, expected) => expect(memoryMiB(given)).toBe(expected));
});

describe('errors say where, what, and what would be right', () => {
  test.each([
    [
      'a name',
      'apiVersion: cluster-api.k8s.io/v1alpha1\nkind: Machine\nmetadata: {name: "a\\n\\e[2J\\u202e\\x7f"}\n',
    ],
    ['a kind', 'apiVersion: v1\nkind: "a\\n\\e[2J\\u202e\\x7f"\n'],
    ['a field', KUBE_CP.replace('vcpu: 2', '"a\\n\\e[2J\\u202e\\x7f": 2')],
  ])('on one line each, whatever %s does to a terminal', (_, text) => {
    const shown = problems(text).join('');
    expect(shown).toContain('a\\n\\u001b[2J\\u202e\\u007f');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
    expect(shown).not.toMatch(/[\x00-\x1f\x7f\u202e]/);
  });

  test('the line and the path are those of the author, in every document', () => {
    const text = `${KUBE_CP}---${KUBE_CP.replace('kube-cp', 'b').replace('{vcpu: 2, memoryInGB: 2', '\n    value: {vcpu: 0, memoryInGB: 2').replace('qcow2}', 'qcow2}')}`;
    expect(problems(text)).toEqual([
      'test.yaml:14: Machine default/b: spec.providerSpec.value.vcpu: 0 is too small; use at least 1',
    ]);
  });

  test('all of them at once', () => {
    expect(
      problems(
        `${KUBE_CP.replace('vcpu: 2', 'vcpu: 0')}---${KUBE_CP.replace('kube-cp', 'Kube_CP').replace('2, imageURI', '2, image')}`,
      ),
    ).toMatchInlineSnapshot(`
      [
        "4 problems:",
        "  test.yaml:6: Machine default/kube-cp: spec.providerSpec.vcpu: 0 is too small; use at least 1",
        "  test.yaml:11: Machine default/Kube_CP: metadata.name: "Kube_CP" has the wrong form; use lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit, for example kube-cp",
        "  test.yaml:13: Machine default/Kube_CP: spec.providerSpec.imageURI: this is missing; add it: Disk image that the machine boots from: an absolute path, file:///…, http(s)://…, or volume:POOL/NAME for a volume that the host already has. qcow2 or raw; vmdk, vhdx and vdi are converted; gzip, xz, zstd and bzip2 are unpacked",
        "  test.yaml:13: Machine default/Kube_CP: spec.providerSpec.image: there is no such field; did you mean imageURI?",
      ]
    `);
  });

  test('one object twice, also when it comes from two documents in different spellings', () => {
    const [problem] = problems(`${KUBE_CP}---${KUBE_CP.replace('cluster-api.k8s.io', 'cluster.k8s.io')}`);
    expect(problem).toBe(
      'test.yaml:11: Machine default/kube-cp: metadata.name: this object is given twice, first at test.yaml:2; rename or remove one of the two',
    );
  });

  test('one MAC address in two machines', () => {
    const withMAC = KUBE_CP.replace('vcpu: 2', 'vcpu: 2, interfaces: [{mac: "52:54:00:00:00:0a"}]');
    const [problem] = problems(`${withMAC}---${withMAC.replace('kube-cp', 'b').replace(':0a', ':0A')}`);
    expect(problem).toContain(
      'interfaces[0].mac: the MAC address 52:54:00:00:00:0a is already taken by Machine default/kube-cp',
    );
  });

  test.each([
    ['nothing', '# only a comment\n', 'it contains no object'],
    ['a text', 'hello', 'this is not an object'],
    ['a list', '- a', 'this is not an object'],
    ['no kind', 'apiVersion: v1', 'kind: this is missing'],
    [
      'another version',
      KUBE_CP.replace('v1alpha1', 'v1beta1'),
      '"cluster-api.k8s.io/v1beta1 Machine" is not a kind that is known here',
    ],
    [
      "a Machine of today's Cluster API",
      KUBE_CP.replace('cluster-api.k8s.io/v1alpha1', 'cluster.x-k8s.io/v1beta2'),
      `"cluster.x-k8s.io/v1beta2 Machine" belongs to today's Cluster API, and CAPLV has the kinds of the original one`,
    ],
    [
      "a machine of one of today's providers",
      KUBE_CP.replace('cluster-api.k8s.io/v1alpha1', 'infrastructure.cluster.x-k8s.io/v1beta1'),
      'a Machine with providerSpec in place of infrastructureRef',
    ],
    [
      'a LibvirtMachine',
      KUBE_CP.replace('cluster-api.k8s.io/v1alpha1', 'infrastructure.cluster.x-k8s.io/v1alpha1').replace(
        'kind: Machine',
        'kind: LibvirtMachine',
      ),
      'it needs a Machine or Cluster of cluster.x-k8s.io that owns it',
    ],
    ['a kind almost right', KUBE_CP.replace('kind: Machine', 'kind: machine'), 'did you mean Machine?'],
    ['no metadata', KUBE_CP.replace('metadata: {name: kube-cp}', ''), 'metadata: this is missing'],
    ['a tab', 'a:\n\tb: 1', 'indent with spaces'],
    ['an open bracket', 'a: [1, 2', 'or a bracket is not closed'],
    ['a field twice', `${KUBE_CP}kind: Machine\n`, 'a field is given twice'],
    ['an alias without an anchor', 'a: *b', 'an alias'],
    [
      '5 MB',
      `# ${'x'.repeat(5_000_000)}\n${KUBE_CP}`,
      'the manifest has 4.8 MiB, and a manifest may have 1 MiB',
    ],
  ])('a text that holds %s', (_, text, says) => expect(problems(text).join('\n')).toContain(says));

  test('a billion laughs', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++)
      lines.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    expect(problems(lines.join('\n')).join()).toContain('too many aliases');
  });
});

test('a provider spec that no one admitted is refused when it is read, at the path where it was written', () => {
  const spec = { providerSpec: { value: { spec: { vcpu: 0, memoryMiB: 512, imageURI: '/a' } } } };
  expect(() => machineProviderSpec({ spec })).toThrow(
    expect.objectContaining({ code: 'InvalidConfiguration', path: 'spec.providerSpec.value.spec.vcpu' }),
  );
});

describe('secrets do not reach messages', () => {
  test.each([
    ['user data of the wrong type', 'userData: {password: hunter2}'],
    ['user data in the field for its URI', 'userDataURI: "#cloud-config\\npassword: hunter2"'],
    ['Ignition that is no JSON', 'ignition: "hunter2"'],
    ['a password in a URI', 'uri: "https://root:hunter2@rack1"'],
    ['user data that breaks the YAML', 'userData: password: hunter2'],
    ['user data that breaks the YAML in quotes', 'userData: "password \\q hunter2"'],
  ])('%s', (_, field) => {
    const text = `${KUBE_CP.split('\n').slice(0, 5).join('\n')}\n  providerSpec:\n    ${field}\n`;
    const all = problems(text).join('\n');
    expect(all).not.toBe('');
    expect(all).not.toContain('hunter2');
  });
});

describe('${CAPLV_…}', () => {
  const machine = (fields: string) => KUBE_CP.replace('imageURI: /images/debian.qcow2', fields);

  test('is filled in from the environment, else by its default', () => {
    const text = machine('imageURI: "${CAPLV_IMAGE}", pool: "${CAPLV_POOL:-default}"');
    const [object] = read(text, { environment: { CAPLV_IMAGE: '/a.qcow2' } });
    expect(object?.spec.providerSpec).toMatchObject({ imageURI: '/a.qcow2', pool: 'default' });
  });

  test('becomes the type of its field', () => {
    const text = machine('imageURI: /a, autostart: "${CAPLV_AUTOSTART:-true}"').replace(
      'vcpu: 2',
      'vcpu: "${CAPLV_VCPU:-4}"',
    );
    expect(read(text)[0]?.spec.providerSpec).toMatchObject({ vcpu: 4, autostart: true });
  });

  test('that is not set is one problem, not two', () => {
    expect(problems(machine('imageURI: "${CAPLV_IMAGE}"'))).toEqual([
      'test.yaml:6: Machine default/kube-cp: spec.providerSpec.imageURI: the environment variable CAPLV_IMAGE is not set; ' +
        'export CAPLV_IMAGE=…, or give a default: ${CAPLV_IMAGE:-…}',
    ]);
  });

  test.each([
    [
      'imageURI: "${IMAGE}"',
      'imageURI: the variable ${IMAGE} is not filled in; only variables whose names begin',
    ],
    ['imageURI: /a, userDataURI: "${DIR}/user-data"', 'userDataURI: the variable ${DIR} is not filled in'],
    ['imageURI: /a, pool: "${POOL:-default}"', 'pool: the variable ${POOL} is not filled in'],
    ['imageURI: /a, autostart: "${caplv_start}"', 'autostart: the variable ${caplv_start} is not filled in'],
  ])('of another name is named as what is wrong: %s', (fields, says) => {
    expect(problems(machine(fields))).toEqual([expect.stringContaining(says)]);
  });

  test('of another name is left alone in a value that is right with it', () => {
    const text = machine('imageURI: "/images/a${b}.qcow2"');
    expect(read(text)[0]?.spec.providerSpec).toMatchObject({ imageURI: '/images/a${b}.qcow2' });
  });

  test('stays in secret fields, where it is filled in for each machine, and so do other variables everywhere', () => {
    const text = machine(
      'imageURI: /a, userData: "hostname: ${CAPLV_MACHINE_NAME}", terraform: {a: "${CAPLV_X} ${var.a}"}',
    );
    expect(read(text, { environment: { CAPLV_MACHINE_NAME: 'wrong' } })[0]?.spec.providerSpec).toMatchObject({
      userData: 'hostname: ${CAPLV_MACHINE_NAME}',
      terraform: { a: '${CAPLV_X} ${var.a}' },
    });
  });
});

describe('relative files', () => {
  test.each([
    ['user-data.yaml', '/manifests/user-data.yaml'],
    ['./user-data.yaml', '/manifests/user-data.yaml'],
    ['../user data.yaml', '/user data.yaml'],
    ['/etc/user-data', '/etc/user-data'],
    ['https://example.com/user-data', 'https://example.com/user-data'],
    ['file:///etc/user-data', 'file:///etc/user-data'],
  ])('%s is %s', (written, resolved) => {
    const text = KUBE_CP.replace('vcpu: 2', `vcpu: 2, userDataURI: "${written}"`);
    expect(read(text, { directory: '/manifests' })[0]?.spec.providerSpec['userDataURI']).toBe(resolved);
  });

  test('~ is refused: only a shell knows whose home it is', () => {
    expect(problems(KUBE_CP.replace('/images', '~/images')).join()).toContain('an absolute path');
  });
});
