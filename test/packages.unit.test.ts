import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

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

it('what is installed is what was tested: exact versions, and a digest for each package', () => {
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
