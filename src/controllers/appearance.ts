/** Looks whether something that was missing is there, at less cost than a reconcile. */

import { access, constants, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Missing } from '../errors.ts';
import { fileVersion } from '../intent/image.ts';
import { backoffDelay } from '../kube/backoff.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';

/** What nobody tells of. */
export type Unwatched = Exclude<Missing, { readonly kind: 'watched' }>;

/** Two looks at a file take less than two seconds. */
const FILE_MS = 700;
const VOLUME_MS = 1_500;
/** A server is somebody else's, and a host that does not answer may be dead: they are asked ever less often. */
const PATIENCE = { baseMs: 1_500, maxMs: 60_000 };
const URL_TIMEOUT_MS = 15_000;

/** Resolves when it is there, or `signal` aborts. */
export async function appearance(
  missing: Unwatched,
  libvirt: (uri: string) => Libvirt,
  signal: AbortSignal,
): Promise<void> {
  let before: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    await sleep(failures > 0 ? backoffDelay(failures, PATIENCE) : intervalMs(missing), undefined, { signal });
    try {
      const seen = await look(missing, libvirt);
      // A file that somebody is still copying there has a header and no end.
      if (seen !== undefined && (!isFile(missing) || seen === before)) return;
      before = seen;
      failures = missing.kind === 'url' ? failures + 1 : 0;
    } catch {
      failures += 1;
    }
  }
}

function intervalMs(missing: Unwatched): number {
  return isFile(missing) ? FILE_MS : VOLUME_MS;
}

function isFile({ kind }: Unwatched): boolean {
  return kind === 'file' || kind === 'otherFile';
}

/** What tells one state of it from another; undefined: it is not there. */
async function look(missing: Unwatched, libvirt: (uri: string) => Libvirt): Promise<string | undefined> {
  switch (missing.kind) {
    case 'file':
      return lookAtFile(missing.path);
    case 'otherFile': {
      const seen = await lookAtFile(missing.path);
      return seen === missing.version ? undefined : seen;
    }
    case 'url': {
      const signal = AbortSignal.timeout(URL_TIMEOUT_MS);
      const response = await fetch(missing.url, { headers: { range: 'bytes=0-0' }, signal });
      await response.body?.cancel();
      return response.ok ? 'there' : undefined;
    }
    case 'volume':
      return (await libvirt(missing.uri).volume(missing.pool, missing.volume))?.path;
  }
}

async function lookAtFile(path: string): Promise<string | undefined> {
  try {
    const info = await stat(path);
    await access(path, constants.R_OK);
    return info.isFile() ? fileVersion(info) : undefined;
  } catch {
    return undefined;
  }
}
