/** Verifies that npm packages are pinned, and that all files name the same Node version. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Locked {
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly inBundle?: boolean;
}

const read = (file: string) => JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'));
const manifests = ['package.json', 'stacks/provider-libvirt/package.json'].map(read);
const packages = Object.entries<Locked>(read('package-lock.json').packages).filter(([path]) =>
  path.startsWith('node_modules/'),
);

it('the tested packages are installed: exact versions, and a digest for each package', () => {
  const asked = manifests.flatMap(({ dependencies, devDependencies }) =>
    Object.entries<string>({ ...dependencies, ...devDependencies }),
  );
  for (const [name, version] of asked) {
    expect(`${name} ${version}`).toMatch(/ (npm:(@[\w-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+[\w.-]*$/);
  }
  const loose = packages.filter(
    ([, { link, inBundle, integrity }]) => !link && !inBundle && !integrity?.startsWith('sha512-'),
  );
  expect(loose).toEqual([]);
});

it('no package runs a script at installation but those that are named', () => {
  const scripted = packages
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path]) => path.split('node_modules/').at(-1));
  expect(scripted).toEqual(Object.keys(manifests[0].allowScripts));
});

describe('the oldest Node that caplv runs on is named alike everywhere', () => {
  const [, oldest = ''] = /^>=(\d+\.\d+)$/.exec(manifests[0].engines.node) ?? [];
  it.each([
    ['README.md', `CAPLV needs Node ≥ ${oldest}.`],
    ['docs/operations.md', `Node ≥ ${oldest}`],
    ['src/bin.ts', `caplv needs Node ${oldest} or newer`],
  ])('in %s', (file, words) => {
    expect(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')).toContain(words);
  });

  it('and the Node that a checkout brings is not older', () => {
    const [major = 0, minor = 0] = oldest.split('.').map(Number);
    const [theirs = 0] = String(manifests[0].devDependencies.node).split('.').map(Number);
    expect(theirs > major || minor === 0).toBe(true);
    const nvmrc = readFileSync(new URL('../.nvmrc', import.meta.url), 'utf8').trim();
    expect(nvmrc).toBe(manifests[0].devDependencies.node);
  });
});
