/** Builds the root file system of the image. */

import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory } from '../lab/cache.ts';
import { binDirectory } from '../lab/terraform-binary.ts';
import { DEPLOY } from './manifests.ts';

/** Of this machine. */
export const PROVIDER = join(
  cacheDirectory(),
  'provider-libvirt/0.8.3/mirror/registry.terraform.io/dmacvicar/libvirt/0.8.3/linux_amd64/terraform-provider-libvirt_v0.8.3',
);

/** Builds the root file system of the image, as people without Docker do, into `directory`, which must not exist. */
export async function buildRootfs(directory: string): Promise<void> {
  await execa(join(DEPLOY, 'image/build-rootfs.sh'), [directory], {
    stdin: 'ignore',
    env: { PATH: `${process.env['PATH']}:${binDirectory()}`, PROVIDER },
  });
}
