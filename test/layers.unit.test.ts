import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** What any layer may use: they know of nothing. */
const EVERYWHERE = ['src/tracing.ts', 'src/fair-queue.ts'];

/** What each layer may import of ours; see the table in README.md. Its own folder goes without saying. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'src/api': ['src/store/store.ts', 'src/errors.ts'],
  'src/terraform': ['src/errors.ts'],
  'src/libvirt': [],
  'src/store': ['src/errors.ts', 'src/terraform/lock.ts', 'src/api/admission.ts', 'src/api/kinds.ts'],
  'src/kube': ['src/errors.ts', 'src/store/store.ts', 'src/store/label-selector.ts'],
  'src/intent': ['src/errors.ts', 'src/api', 'src/libvirt', 'src/store/store.ts', 'stacks/intent.ts'],
  'src/actuator': [
    'src/errors.ts',
    'src/api',
    'src/kube',
    'src/intent',
    'src/libvirt',
    'src/terraform',
    'src/store/store.ts',
    'stacks',
  ],
};

const root = fileURLToPath(new URL('..', import.meta.url));
const files = [...sources('src'), ...sources('stacks').filter((file) => !file.includes('provider-libvirt'))];

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));
}

/** Paths of our files, and names of packages, that a file imports. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    ([, specifier]) => specifier ?? '',
  );
  return specifiers.map((name) =>
    name.startsWith('.') ? relative(root, resolve(root, dirname(file), name)) : name,
  );
}

describe.each(Object.entries(LAYERS))('%s', (layer, allowed) => {
  it('knows only what is below it', () => {
    const foreign = files
      .filter((file) => file.startsWith(`${layer}/`))
      .flatMap((file) => importsOf(file).map((imported) => ({ file, imported })))
      .filter(({ imported }) => imported.startsWith('src/') || imported.startsWith('stacks/'))
      .filter(
        ({ imported }) =>
          ![layer, ...allowed, ...EVERYWHERE].some(
            (place) => imported === place || imported.startsWith(`${place}/`),
          ),
      );
    expect(foreign).toEqual([]);
  });
});

it('cdktf can be swapped for its fork: nothing outside stacks/ imports it', () => {
  const importers = files.filter((file) =>
    importsOf(file).some((name) => /^(cdktf|cdktn|constructs|@cdktf\/)/.test(name)),
  );
  expect(importers.filter((file) => !file.startsWith('stacks/'))).toEqual([]);
  expect(importers.length).toBeGreaterThan(0);
});

it('stacks are pure: no file, clock or process but in the seed file, the worker and the app', () => {
  const impure = files
    .filter((file) => file.startsWith('stacks/'))
    .filter((file) =>
      importsOf(file).some((name) => /^node:(fs|child_process|worker|net|http|timers)/.test(name)),
    );
  expect(impure.sort()).toEqual([
    'stacks/app.ts',
    'stacks/cluster-machines.ts',
    'stacks/seed-file.ts',
    'stacks/synth-thread.ts',
    'stacks/synth-worker.ts',
  ]);
});
