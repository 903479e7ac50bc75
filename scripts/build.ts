/**
 * `node scripts/build.ts [DIR]`: compiles what `caplv` runs into DIR (default: dist) and puts it where the command is found. Does nothing
 * if all of it is there and no source has changed since. A caplv that runs meanwhile keeps the files that it was started from.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, symlink } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { execa } from 'execa';
import { rolldown } from 'rolldown';
import { buildOptions } from '../rolldown.config.ts';
import { installBuild, isInstalled, removeUnusedBuilds } from './installed-builds.ts';

const ROOT = join(import.meta.dirname, '..');
const BINDINGS = join(ROOT, 'stacks/provider-libvirt');
const BIN = join(ROOT, 'node_modules/.bin');

/** What a build depends on, below the root. Files that are not there count as empty. */
const SOURCES = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'rolldown.config.ts',
  'scripts',
  'src',
  'stacks',
];

const directory = resolve(process.argv[2] ?? join(ROOT, 'dist'));
const id = await digestSources();
if (!(await isInstalled(directory, id)) || !existsSync(join(BINDINGS, 'lib'))) {
  await execa(join(BIN, 'tsc'), ['-p', join(BINDINGS, 'tsconfig.json')], { stdio: 'inherit' });
  await installBuild(directory, id, compile);
}
await removeUnusedBuilds(directory);
if (process.argv[2] === undefined) await linkCommand();

async function compile(target: string): Promise<void> {
  const { output, ...input } = buildOptions(id);
  const bundle = await rolldown({ ...input, cwd: ROOT });
  await bundle.write({ ...output, dir: target });
  await bundle.close();
}

/** Returns the name of the build: hexadecimal digits that follow from the content of all sources. */
async function digestSources(): Promise<string> {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    for (const file of await listFiles(source)) {
      hash
        .update(`${file}\0`)
        .update(await readFile(join(ROOT, file)))
        .update('\0');
    }
  }
  return hash.digest('hex').slice(0, 12);
}

async function listFiles(source: string): Promise<string[]> {
  if (!existsSync(join(ROOT, source))) return [];
  if (/\.\w+$/.test(source)) return [source];
  const entries = await readdir(join(ROOT, source), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((file) => !/(^|\/)(node_modules|lib)\//.test(file))
    .sort();
}

/**
 * Puts `caplv` beside the commands of the packages, where a PATH that begins with node_modules/.bin finds it. Two builds at once may
 * both do so: a rename replaces the link of the other.
 */
async function linkCommand(): Promise<void> {
  const link = join(BIN, 'caplv');
  const draft = `${link}.${process.pid}`;
  await mkdir(BIN, { recursive: true });
  await symlink(relative(BIN, join(directory, 'bin.js')), draft);
  await rename(draft, link);
}
