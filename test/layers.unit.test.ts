import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = [...sources('src'), ...sources('stacks').filter((file) => !file.includes('provider-libvirt'))];
const imports = new Map(files.map((file) => [file, importsOf(file)]));

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));
}

/** Lists paths of our files, and names of packages, that a file imports; types too. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name = '']) =>
    name.startsWith('.') ? relative(root, resolve(root, dirname(file), name)) : name,
  );
}

it('cdktf can be swapped for its fork: nothing outside stacks/ and src/cdktf/ imports it', () => {
  const importers = files.filter((file) =>
    (imports.get(file) ?? []).some((name) => /^(cdktf|cdktn|constructs|@cdktf\/)/.test(name)),
  );
  expect(importers.filter((file) => !/^(stacks|src\/cdktf)\//.test(file))).toEqual([]);
  expect(importers.length).toBeGreaterThan(0);
});

it('stacks are pure: no file, clock or process but in the seed file and the worker', () => {
  const impure = files
    .filter((file) => file.startsWith('stacks/'))
    .filter((file) =>
      (imports.get(file) ?? []).some((name) => /^node:(fs|child_process|worker|net|http|timers)/.test(name)),
    );
  expect(impure.sort()).toEqual(['stacks/seed-file.ts', 'stacks/synth-thread.ts', 'stacks/synth-worker.ts']);
});
