/** Verifies the Terraform JSON of a machine. */

import { expect, test } from 'vitest';
import type { JsonObject } from '../../stacks/json.ts';
import { toText } from '../../stacks/json.ts';
import { synthMachine } from '../../stacks/synth.ts';
import { awkward, ignitionMachine, minimalMachine, richMachine } from './intents.ts';

const implicit = { kind: 'implicit' } as const;

/** What lies at `path`, for example `resource.libvirt_domain.machine`. */
function at(json: JsonObject, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], json);
}

// A changed snapshot changes machines that exist: see with a plan what it does to them.
test('a machine with nothing but the necessary', async () => {
  await expect(toText(synthMachine(minimalMachine, implicit))).toMatchFileSnapshot(
    'snapshots/machine-minimal.tf.json.snap',
  );
});

test('a machine with everything', async () => {
  await expect(toText(synthMachine(richMachine, implicit))).toMatchFileSnapshot(
    'snapshots/machine-rich.tf.json.snap',
  );
});

test('an Ignition seed', async () => {
  await expect(toText(synthMachine(ignitionMachine, implicit))).toMatchFileSnapshot(
    'snapshots/machine-ignition.tf.json.snap',
  );
});

test('the same intent gives the same bytes, whatever the order of its keys', () => {
  const shuffled = Object.fromEntries(Object.entries(richMachine).reverse()) as typeof richMachine;
  expect(toText(synthMachine(shuffled, implicit))).toBe(toText(synthMachine(richMachine, implicit)));
});

test('without a state of its own there is no backend block, so that no init is needed', () => {
  expect(at(synthMachine(minimalMachine, implicit), 'terraform')).not.toHaveProperty('backend');
});

test('a local backend', () => {
  const json = synthMachine(minimalMachine, { kind: 'local', path: '/state/${a}.tfstate' });
  expect(at(json, 'terraform.backend')).toEqual({ local: { path: '/state/${a}.tfstate' } });
});

test('a kubernetes backend, without credentials', () => {
  const labels = { 'cluster.x-k8s.io/cluster-name': 'fujisan' };
  const backend = { kind: 'kubernetes', secretSuffix: 'machine', namespace: 'prod', labels } as const;
  expect(at(synthMachine(minimalMachine, backend), 'terraform.backend')).toEqual({
    kubernetes: { secret_suffix: 'machine', namespace: 'prod', labels },
  });
});

test("a manifest's strings are plain text to Terraform: no template in them reads a file of the controller", () => {
  const domain = { ...minimalMachine.domain, description: '${file("/etc/shadow")} %{ if true }' };
  const json = synthMachine({ ...minimalMachine, domain }, implicit);
  expect(at(json, 'resource.libvirt_domain.machine.description')).toBe(
    '$${file("/etc/shadow")} %%{ if true }',
  );
});

test('what looks like a token of cdktf is text, too', () => {
  const volumeKey = '/a${TfToken[TOKEN.0]}#{TfToken[TOKEN.0]}&{TfToken[TOKEN.99999]}';
  const machine = { ...minimalMachine, disks: [{ kind: 'existing' as const, name: 'a', volumeKey }] };
  const text = toText(synthMachine(machine, implicit));
  expect(text).not.toContain('TfToken[TOKEN');
  expect(JSON.parse(text).resource.libvirt_domain.machine.disk[1].volume_id).toBe(
    '/a$${TfToken${"["}TOKEN.0]}#{TfToken${"["}TOKEN.0]}&{TfToken${"["}TOKEN.99999]}',
  );
});

test('accents in an Ignition configuration stay as they are: Terraform would write them as one character', () => {
  const content = JSON.stringify({ composed: '\u00e9', decomposed: 'e\u0301', emoji: '👩‍👩‍👧‍👦' });
  const seed = { kind: 'ignition' as const, volume: 'a', pool: 'default', content };
  const said = at(synthMachine({ ...minimalMachine, seed }, implicit), 'variable.ignition.default') as string;
  expect(said.normalize('NFC')).toBe(said);
  expect(JSON.parse(said)).toEqual(JSON.parse(content));
});

const HOSTILE = '${file("/etc/shadow")}';

/** Each string of a value replaced by a hostile one, one at a time; `kind` is ours. */
function spoiled(value: unknown): unknown[] {
  if (typeof value === 'string') return [HOSTILE];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    (key === 'kind' ? [] : spoiled(item)).map((one) =>
      Array.isArray(value)
        ? value.map((old, index) => (String(index) === key ? one : old))
        : { ...value, [key]: one },
    ),
  );
}

test('no string of an intent becomes a template that reads a file of the controller', () => {
  const { terraform: _, ...machine } = richMachine;
  const intents = spoiled(machine) as (typeof machine)[];
  expect(intents.length).toBeGreaterThan(30);
  for (const intent of intents) {
    const json = toText(synthMachine(intent, implicit));
    expect(json.replaceAll(`$${HOSTILE.replaceAll('"', '\\"')}`, '')).not.toContain('/etc/shadow');
  }
});

test('a secret is in the default of a sensitive variable, unchanged, and nowhere else', () => {
  const json = synthMachine(ignitionMachine, implicit);
  expect(JSON.parse(at(json, 'variable.ignition.default') as string).token).toBe(awkward);
  expect(at(json, 'variable.ignition.sensitive')).toBe(true);
  expect(toText(json).split('/etc/passwd')).toHaveLength(2);
});

test('the escape hatch goes last: objects are merged, arrays replaced, and templates stay templates', () => {
  const terraform = {
    resource: { libvirt_domain: { machine: { disk: [], cmdline: [{ a: '${terraform.workspace}' }] } } },
  };
  const machine = at(
    synthMachine({ ...minimalMachine, terraform }, implicit),
    'resource.libvirt_domain.machine',
  );
  expect(machine).toMatchObject({
    name: 'default.small',
    disk: [],
    cmdline: [{ a: '${terraform.workspace}' }],
  });
});

test('a data disk keeps its resource when another goes', () => {
  const ids = (machine: typeof richMachine) =>
    Object.keys(at(synthMachine(machine, implicit), 'resource.libvirt_volume') as object);
  const without = { ...richMachine, disks: richMachine.disks.slice(1) };
  expect(ids(richMachine)).toEqual(['disk_a_2eb_5fc', 'disk_etcd', 'root', 'seed']);
  expect(ids(without)).toEqual(['disk_a_2eb_5fc', 'root', 'seed']);
});

test('a stylesheet of the domain has templates only for requested features, and those of an existing machine do not change', () => {
  const stylesheetOf = (changes: Partial<typeof richMachine>) => {
    const json = synthMachine({ ...minimalMachine, ...changes }, implicit);
    return at(json, 'resource.libvirt_domain.machine.xml.xslt') as string | undefined;
  };
  const templates = (changes: Partial<typeof richMachine>) =>
    [...(stylesheetOf(changes) ?? '').matchAll(/match="([^"]*)"/g)].map(([, match]) => match);
  const iso = { kind: 'iso', volume: 'a.iso', pool: 'default', source: '/a.iso' } as const;
  const ignition = { kind: 'ignition', volume: 'a.ign', pool: 'default', content: '{}' } as const;
  const identity = { instanceId: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed', hostname: 'a' };
  const domain = { ...minimalMachine.domain, tcgCacheMiB: 2048 };
  const tcg = ['/domain/features', '/domain[not(features)]/vcpu'];

  expect(stylesheetOf({})).toBeUndefined();
  expect(stylesheetOf({ seed: iso })).toBeUndefined();
  expect(templates({ seed: iso, domain })).toEqual(['@*|node()', ...tcg]);
  const cdrom = templates({ seed: iso, domain: { ...minimalMachine.domain, machine: 'q35' } });
  expect(templates({ seed: iso, domain: { ...domain, machine: 'q35' } })).toEqual([...cdrom, ...tcg]);
  const smbios = templates({ seed: { ...ignition, identity } });
  expect(templates({ seed: { ...ignition, identity }, domain })).toEqual([...smbios, ...tcg]);
  // Two that match the same element would lose one of the two changes.
  expect(new Set([...cdrom, ...smbios, ...tcg]).size).toBe(cdrom.length + smbios.length + tcg.length - 1);
  expect(stylesheetOf({ domain })).toContain('<tb-cache unit="MiB">2048</tb-cache>');
});
