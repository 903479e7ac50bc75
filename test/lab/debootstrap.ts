/** Builds a Debian root file system. */

import { execa } from 'execa';

/** Files that a lab does not need. */
const WITHOUT = ['doc', 'info', 'locale', 'man'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);

/**
 * Runs mmdebstrap in namespaces of its own, so that its mounts in the tree end with it, also when it is killed. Otherwise a removal of
 * the tree would remove files through its mounts.
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
