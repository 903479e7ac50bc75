/** Finds the kernel for the guest image. */

import { chmod, cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory, cached } from './cache.ts';

const META_PACKAGE = 'linux-image-cloud-amd64';

export interface GuestKernel {
  /** For example `6.1.0-56-cloud-amd64`. */
  readonly release: string;
  readonly image: string;
  /** Directory of `drivers/`, `fs/`, `net/`… with the modules. */
  readonly modules: string;
}

/**
 * Debian's kernel for virtual machines: unpacked, never installed, so that the machine's own boot loader is left alone.
 * One in the cache is good; only without any is the archive asked.
 */
export async function guestKernel(progress: (line: string) => void): Promise<GuestKernel> {
  const release = (await newestCached()) ?? (await download(progress));
  const directory = join(cacheDirectory(), 'kernel', release);
  return { release, image: join(directory, 'vmlinuz'), modules: join(directory, 'modules') };
}

async function newestCached(): Promise<string | undefined> {
  const names = await readdir(join(cacheDirectory(), 'kernel')).catch(() => []);
  return names
    .filter((name) => !name.startsWith('.'))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
}

async function download(progress: (line: string) => void): Promise<string> {
  const packageName = await packageOfMeta();
  const release = packageName.replace('linux-image-', '');
  progress(`downloading the guest's kernel ${release}`);
  await cached(join('kernel', release), async (directory) => {
    // apt-get runs its download as user _apt when it may write there.
    await chmod(directory, 0o755);
    await execa('apt-get', ['download', packageName], { cwd: directory });
    const archive = (await readdir(directory)).find((name) => name.endsWith('.deb'));
    if (!archive) throw new Error(`apt-get download ${packageName} gave no .deb file`);
    const unpacked = join(directory, 'unpacked');
    await mkdir(unpacked);
    await execa('dpkg-deb', ['-x', join(directory, archive), unpacked]);
    await cp(join(unpacked, 'boot', `vmlinuz-${release}`), join(directory, 'vmlinuz'));
    await cp(join(unpacked, 'lib/modules', release, 'kernel'), join(directory, 'modules'), {
      recursive: true,
    });
    await rm(unpacked, { recursive: true });
    await rm(join(directory, archive));
  });
  return release;
}

/** The versioned package behind the meta package, for example `linux-image-6.1.0-56-cloud-amd64`. */
async function packageOfMeta(): Promise<string> {
  const ask = async () =>
    (await execa('apt-cache', ['depends', META_PACKAGE], { reject: false })).stdout.match(
      /Depends: (linux-image-\S+)/,
    )?.[1];
  const known = await ask();
  if (known) return known;
  // A fresh container has no package lists.
  await execa('apt-get', ['update']);
  const found = await ask();
  if (!found)
    throw new Error(`the Debian archive has no ${META_PACKAGE}; the guest image needs Debian on amd64`);
  return found;
}
