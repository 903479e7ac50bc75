/** Verifies the layers of the source code: imports, circles, and the size of folders. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/**
 * What each layer may import of ours: a layer, a folder of it, or one file. The layer itself goes without saying, and so does
 * src/errors.ts, which imports nothing.
 */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  stacks: [],
  'src/apimachinery': [],
  'src/system': [],
  'src/telemetry': ['src/version.ts'],
  'src/store': ['src/apimachinery', 'src/system'],
  'src/terraform': ['src/system', 'src/telemetry'],
  'src/libvirt': ['src/system', 'src/telemetry'],
  'src/kube': [
    'src/apimachinery',
    'src/store/store.ts',
    'src/store/unreadable-object.ts',
    'src/system',
    'src/telemetry',
  ],
  'src/api': ['src/apimachinery', 'src/system'],
  'src/intent': [
    'src/api',
    'src/apimachinery',
    'src/libvirt',
    'src/system',
    'src/telemetry',
    'stacks/intent.ts',
  ],
  'src/actuator': [
    'src/api',
    'src/apimachinery',
    'src/intent',
    'src/kube/client',
    'src/libvirt',
    'src/system',
    'src/telemetry',
    'src/terraform',
    'stacks',
  ],
  'src/controllers': [
    'src/actuator',
    'src/api',
    'src/apimachinery',
    'src/intent',
    'src/kube',
    'src/libvirt',
    'src/store',
    'src/system',
    'src/telemetry',
    'src/terraform',
    'stacks',
  ],
};

/** The largest number of files that a folder may hold. */
const MOST_FILES = 24;

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

/** Lists the groups of nodes that reach each other: Tarjan's strongly connected components of more than one node. */
function circles(graph: ReadonlyMap<string, Iterable<string>>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string) => {
    index.set(node, index.size);
    low.set(node, index.get(node) ?? 0);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!graph.has(next)) continue;
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node) ?? 0, low.get(next) ?? 0));
    }
    if (low.get(node) !== index.get(node)) return;
    const members = stack.splice(stack.indexOf(node));
    if (members.length > 1) found.push(members.sort());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
}

function folderGraph(folderOf: (file: string) => string): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const [file, imported] of imports) {
    const from = folderOf(file);
    const to = imported.filter((name) => imports.has(name)).map(folderOf);
    graph.set(from, new Set([...(graph.get(from) ?? []), ...to.filter((folder) => folder !== from)]));
  }
  return graph;
}

const isOurs = (name: string) => name.startsWith('src/') || name.startsWith('stacks/');

describe.each(Object.entries(LAYERS))('%s', (layer, allowed) => {
  it('imports only the layers below it', () => {
    const foreign = files
      .filter((file) => file.startsWith(`${layer}/`))
      .flatMap((file) => (imports.get(file) ?? []).filter(isOurs).map((imported) => ({ file, imported })))
      .filter(
        ({ imported }) =>
          ![layer, 'src/errors.ts', ...allowed].some(
            (place) => imported === place || imported.startsWith(`${place}/`),
          ),
      );
    expect(foreign).toEqual([]);
  });
});

it('src/cli and src/cdktf do not import each other, and nothing below imports them or src/app', () => {
  const foreign = [...imports].flatMap(([file, imported]) =>
    imported
      .filter((name) => /^src\/(cli|cdktf|app)\//.test(name))
      .filter((name) => !file.startsWith(name.split('/').slice(0, 2).join('/')))
      .filter((name) => !(name.startsWith('src/app/') && /^src\/(cli|cdktf)\//.test(file)))
      .filter(() => file !== 'src/bin.ts')
      .map((name) => ({ file, imported: name })),
  );
  expect(foreign).toEqual([]);
});

it('no files import each other in a circle, types counted', () => {
  expect(circles(imports)).toEqual([]);
});

it('no layers import each other in a circle, types counted', () => {
  const layerOf = (file: string) => file.split('/').slice(0, 2).join('/');
  expect(circles(folderGraph(layerOf))).toEqual([]);
});

it('no folders import each other in a circle, types counted, nor do a folder and one in it', () => {
  const graph = folderGraph(dirname);
  // Files beside the folders are what all of them use, and where the program begins.
  graph.delete('src');
  expect(circles(graph)).toEqual([]);
});

it('no folder has too many files', () => {
  const sizes = new Map<string, number>();
  for (const file of files) sizes.set(dirname(file), (sizes.get(dirname(file)) ?? 0) + 1);
  expect([...sizes].filter(([, size]) => size > MOST_FILES)).toEqual([]);
});

it('src holds at most four files beside its folders', () => {
  expect(files.filter((file) => dirname(file) === 'src').length).toBeLessThanOrEqual(4);
});

it('cdktf can be swapped for its fork: nothing outside stacks/ and src/cdktf/ imports it', () => {
  const importers = files.filter((file) =>
    (imports.get(file) ?? []).some((name) => /^(cdktf|cdktn|constructs|@cdktf\/)/.test(name)),
  );
  expect(importers.filter((file) => !/^(stacks|src\/cdktf)\//.test(file))).toEqual([]);
  expect(importers.length).toBeGreaterThan(0);
});

it('stacks are pure: no file, clock or process but in the worker', () => {
  const impure = files
    .filter((file) => file.startsWith('stacks/'))
    .filter((file) =>
      (imports.get(file) ?? []).some((name) => /^node:(fs|child_process|worker|net|http|timers)/.test(name)),
    );
  expect(impure.sort()).toEqual(['stacks/synth-thread.ts', 'stacks/synth-worker.ts']);
});

it('only the policy makes a host that may be opened: no other file of src calls allowHost', () => {
  const callers = files.filter((file) => readFileSync(join(root, file), 'utf8').includes('allowHost('));
  expect(callers.sort()).toEqual(['src/intent/policy/host-list.ts', 'src/system/allowed-host.ts']);
  const casts = files.filter((file) =>
    /\bas (unknown as )?AllowedHost\b/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(casts).toEqual(['src/system/allowed-host.ts']);
});

it('each file of src and stacks begins with a comment on its purpose', () => {
  const isHeaded = (file: string) => /^(#!.*\n)?\/\*\*/.test(readFileSync(join(root, file), 'utf8'));
  expect(files.filter((file) => !isHeaded(file))).toEqual([]);
});

/** Lists packages that loading a file loads, at once: not by `import()`, and not for types. */
function packagesLoadedBy(entry: string): Set<string> {
  const seen = new Set([entry]);
  const packages = new Set<string>();
  for (const file of seen) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, names = '', name = ''] of text.matchAll(
      /^(?:import|export)\s+([^;']*?)\s*from\s+'([^']+)'/gm,
    )) {
      const inBraces = /^\{([^}]*)\}$/
        .exec(names)?.[1]
        ?.split(',')
        .map((one) => one.trim());
      const isType =
        names.startsWith('type ') || inBraces?.every((one) => one === '' || one.startsWith('type '));
      if (isType || name.startsWith('node:')) continue;
      if (!name.startsWith('.')) packages.add(name);
      else if (name.endsWith('.ts')) seen.add(relative(root, resolve(root, dirname(file), name)));
    }
  }
  return packages;
}

describe('a command is not kept waiting by packages that it has no use for', () => {
  it('caplv --help loads the parser of the command line alone', () => {
    expect([...packagesLoadedBy('src/cli/program.ts')]).toEqual(['commander']);
  });

  it('a command on stored objects loads no parser of YAML before it needs one', () => {
    expect(packagesLoadedBy('src/cli/session/local-session.ts')).not.toContain('yaml');
  });
});
