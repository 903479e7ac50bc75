/** Builds a release in the layout of clusterctl. */

import { join } from 'node:path';
import { execa } from 'execa';
import { kubeBinaries } from '../lab/kube/binaries.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Makes a release in clusterctl's layout below the directory, and returns the path of its components. */
export async function release(directory: string): Promise<string> {
  const { kubectl } = await kubeBinaries();
  const output = join(directory, 'infrastructure-libvirt/v0.1.0');
  await execa(process.execPath, [join(ROOT, 'scripts/release.ts'), '--output', output], {
    env: { KUBECTL: kubectl },
    stdin: 'ignore',
  });
  return join(output, 'infrastructure-components.yaml');
}
