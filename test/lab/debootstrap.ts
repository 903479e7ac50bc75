/** Builds a Debian root file system. */

import { execa } from 'execa';

/** What nobody reads in a lab. */
const WITHOUT = ['doc', 'info', 'locale', 'man'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);

/**
 * In namespaces of its own: what mmdebstrap mounts in the tree ends with it, also when it is killed. Else whoever removes the rest of the
 * tree would remove through its mounts.
 */
const NAMESPACES = ['--mount', '--pid', '--mount-proc', '--fork', '--kill-child'];

export interface DebootstrapOptions {
  /** For example `bookworm`. */
  readonly release: string;
  readonly packages: readonly string[];
  /** Directory that the tree is made in; it must not exist. */
  readonly target: string;
  /** Further arguments of mmdebstrap. */
  readonly flags?: readonly string[];
}

/** Makes the root file system of a Debian release with these packages, and nothing that they only recommend. Needs root. */
export async function debootstrap({
  release,
  packages,
  target,
  flags = [],
}: DebootstrapOptions): Promise<void> {
  const options = ['--quiet', '--mode=root', '--variant=minbase', `--include=${packages.join(',')}`];
  const apt = ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"'];
  await execa(
    'unshare',
    [
      ...NAMESPACES,
      'nice',
      '-n',
      '10',
      'mmdebstrap',
      ...options,
      ...apt,
      ...WITHOUT,
      ...flags,
      release,
      target,
    ],
    // The hook of kernel packages: no guest boots by an initial RAM disk of theirs.
    { stdin: 'ignore', env: { INITRD: 'No' } },
  );
}
