/** Builds the disk image of a Kubernetes node. */

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory, cached } from '../cache.ts';
import { withDirectoryLock } from '../directory-lock.ts';
import { containerImages } from './container-images.ts';
import { nodeDisk } from './node-disk.ts';
import { NODE_VERSIONS, nodePrograms } from './node-programs.ts';
import { DEBIAN_RELEASE, rootTree } from './root-tree.ts';

const IMPORT_IMAGES = join(import.meta.dirname, 'import-images.sh');
const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child'];

/**
 * Path of a qcow2 image of a Kubernetes node: Debian with systemd, cloud-init, containerd, kubelet and kubeadm, which has all container images
 * of its version in it. Boots by BIOS on machine type pc; 1.6 GB. Built from Debian packages and Go modules only (ten minutes of CPU, once), then
 * cached by the versions and by the content of all that goes into it. Two that build at once wait for each other; one that was cut short
 * begins again, with the programs that it had built. Needs root and the Debian packages of `test/lab/setup.sh --lab`.
 */
export async function nodeImage(progress: (line: string) => void = () => {}): Promise<string> {
  if (process.getuid?.() !== 0)
    throw new Error('the node image needs root for its packages and mounts: use sudo');
  const directory = join(cacheDirectory(), 'node-image');
  await mkdir(directory, { recursive: true });
  const key = await contentKey();
  return withDirectoryLock(directory, async () => {
    // Leftovers of a killed build, which had this lock.
    for (const name of await readdir(directory))
      if (name.startsWith('.')) await rm(join(directory, name), { recursive: true, force: true });
    const name = `${NODE_VERSIONS.kubernetes}-${key}`;
    await cached(join('node-image', name), (scratch) => build(scratch, progress));
    return join(directory, name, 'node.qcow2');
  });
}

async function build(target: string, progress: (line: string) => void): Promise<void> {
  const programs = await nodePrograms(progress);
  const scratch = join(target, 'build');
  const root = join(scratch, 'root');
  await mkdir(scratch);
  progress(`making the root file system of the node (a minute): Debian ${DEBIAN_RELEASE}`);
  await rootTree(root, programs);
  progress('making the container images');
  const archive = await containerImages(scratch, root, programs);
  progress('importing the container images into containerd of the node');
  await execa('unshare', [...NAMESPACES, IMPORT_IMAGES, root, archive], { stdin: 'ignore' });
  await rm(archive);
  progress('making the disk image');
  await rename(await nodeDisk(scratch, root), join(target, 'node.qcow2'));
  await rm(scratch, { recursive: true });
}

async function contentKey(): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(NODE_VERSIONS));
  const files = await readdir(import.meta.dirname, { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  for (const path of paths.sort())
    hash.update(path.slice(import.meta.dirname.length)).update(await readFile(path));
  return hash.digest('hex').slice(0, 16);
}
