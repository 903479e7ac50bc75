/**
 * The builds in dist/: `bin.js`, which starts the newest, and a directory for each build that a process may still load files of. A long
 * running caplv loads parts of itself late (a worker thread, a command), so its own build stays until it ends.
 */
import { existsSync } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { join, resolve } from 'node:path';

const ENTRY = 'bin.js';

/** Says whether build `id` is the one that `bin.js` starts, and whole. */
export async function isInstalled(dist: string, id: string): Promise<boolean> {
  if (!existsSync(join(dist, id))) return false;
  const entry = await readFile(join(dist, ENTRY), 'utf8').catch(() => '');
  return entry.includes(`./${id}/`);
}

/**
 * Installs build `id`. `compile` writes it into an empty directory: `bin.js`, and all other files in a directory named `id`. Each
 * appears at once: whoever starts `bin.js` at any moment gets the old build or the new one.
 */
export async function installBuild(
  dist: string,
  id: string,
  compile: (target: string) => Promise<void>,
): Promise<void> {
  await mkdir(dist, { recursive: true });
  const staging = await mkdtemp(join(dist, '.new-'));
  try {
    await compile(staging);
    await chmod(join(staging, ENTRY), 0o755);
    // The same sources were built before, or are being built by another process: one of the two is enough.
    if (!existsSync(join(dist, id))) {
      await rename(join(staging, id), join(dist, id)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
    }
    await rename(join(staging, ENTRY), join(dist, ENTRY));
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/**
 * Removes what no process needs: everything but the installed build, if nothing runs from here; else nothing. What stays is kept out of
 * `npm pack` by a `.npmignore`.
 */
export async function removeUnusedBuilds(dist: string): Promise<void> {
  const entry = await readFile(join(dist, ENTRY), 'utf8');
  const others = (await readdir(dist)).filter(
    (name) =>
      ![ENTRY, '.npmignore'].includes(name) && !name.startsWith('.new-') && !entry.includes(`./${name}/`),
  );
  const ignored = join(dist, '.npmignore');
  if (others.length > 0 && (await isRunning(join(dist, ENTRY)))) {
    await writeFile(ignored, others.map((name) => `${name}\n`).join(''));
    return;
  }
  await rm(ignored, { force: true });
  for (const name of others) await rm(join(dist, name), { recursive: true, force: true });
}

/** Says whether a process of this machine runs the program: as Node sees it, with all symbolic links resolved. */
async function isRunning(program: string): Promise<boolean> {
  const real = await realpath(program);
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    for (const argument of await scriptArguments(pid)) {
      if ((await realpath(argument).catch(() => undefined)) === real) return true;
    }
  }
  return false;
}

/** Lists the arguments of a process that may be this program, as absolute paths. Empty for one that has ended. */
async function scriptArguments(pid: string): Promise<string[]> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const scripts = commandLine.split('\0').filter((argument) => /(^|\/)(bin\.js|caplv)$/.test(argument));
  if (scripts.length === 0) return [];
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => '/');
  return scripts.map((script) => resolve(directory, script));
}
