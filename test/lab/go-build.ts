/** Builds programs from Go modules. */

import { execa } from 'execa';

/** First version that fetches a newer toolchain by itself when a module asks for one. Debian 12's own is 1.19. */
const MINOR_VERSION = 21;

/** Returns the path of a Go that is new enough; undefined without one. */
export async function findGo(): Promise<string | undefined> {
  // The second is where the official archive goes, which sudo's PATH lacks.
  for (const go of ['go', '/usr/local/go/bin/go']) {
    const { stdout } = await execa(go, ['env', 'GOVERSION'], { reject: false, stdin: 'ignore' });
    const minor = Number(stdout?.match(/^go1\.(\d+)/)?.[1] ?? 0);
    if (minor >= MINOR_VERSION) return go;
  }
  return undefined;
}

/** Builds the main package `target` as the go.mod and go.sum in `directory` pin it. */
export async function goBuild(options: {
  readonly go: string;
  readonly directory: string;
  readonly target: string;
  readonly output: string;
  readonly ldflags?: string;
}): Promise<void> {
  const ldflags = `-s -w ${options.ldflags ?? ''}`;
  await execa(
    options.go,
    [
      'build',
      '-mod=readonly',
      '-trimpath',
      '-buildvcs=false',
      '-ldflags',
      ldflags,
      '-o',
      options.output,
      options.target,
    ],
    { cwd: options.directory, stdin: 'ignore', env: { CGO_ENABLED: '0', GOWORK: 'off' } },
  );
}
