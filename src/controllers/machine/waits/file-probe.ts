/** Probes whether a file, volume, network or host that was missing is there, or a lock free, at less cost than a reconcile. For URLs see url-probe.ts. */

import { access, constants, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostNeed, Missing } from '../../../errors.ts';
import { fileVersion } from '../../../intent/image.ts';
import type { Policy } from '../../../intent/policy.ts';
import { requireAllowedHost } from '../../../intent/policy-check.ts';
import type { Libvirt } from '../../../libvirt/libvirt.ts';
import type { AllowedHost } from '../../../system/allowed-host.ts';
import { backoffDelay } from '../../../system/backoff.ts';
import { isLockHeld } from '../../../system/file-lock.ts';

/** What nobody tells of. */
export type PolledDependency = Exclude<Missing, { readonly kind: 'watched' }>;
type OnDisk = Exclude<PolledDependency, { readonly kind: 'url' }>;

/** Two looks at a file take less than two seconds. */
const FILE_MS = 700;
const VOLUME_MS = 1_500;
/** A host that is restarted is back soon; one that is not after a while may be gone for days. */
const HOST_MS = 1_000;
const LATER_HOST_MS = 8_000;
const SOON_MS = 5 * 60_000;
/** A lock costs one small file to look at, and a fleet may wait for it. */
const LOCK_MS = 200;
/** A host that does not answer may be dead: it is asked ever less often. */
const PATIENCE = { baseMs: 1_500, maxMs: 60_000 };

export interface OpenHosts {
  readonly policy: Policy;
  readonly libvirt: (uri: AllowedHost) => Libvirt;
}

/** Resolves when it is there, or `signal` aborts. */
export async function waitUntilPresent(
  missing: OnDisk,
  { policy, libvirt }: OpenHosts,
  signal: AbortSignal,
): Promise<void> {
  let before: string | undefined;
  let failures = 0;
  const begun = performance.now();
  while (!signal.aborted) {
    const everyMs = intervalMs(missing, performance.now() - begun);
    await sleep(failures > 0 ? backoffDelay(failures, PATIENCE) : everyMs, undefined, { signal });
    try {
      const seen = await look(missing, { policy, libvirt });
      // A file that somebody is still copying there has a header and no end.
      if (seen !== undefined && (!isFile(missing) || seen === before)) return;
      before = seen;
      failures = 0;
    } catch {
      failures += 1;
    }
  }
}

function intervalMs(missing: OnDisk, elapsedMs: number): number {
  if (missing.kind === 'lock') return LOCK_MS;
  if (missing.kind === 'onHost') return elapsedMs < SOON_MS ? HOST_MS : LATER_HOST_MS;
  return isFile(missing) ? FILE_MS : VOLUME_MS;
}

function isFile({ kind }: OnDisk): boolean {
  return kind === 'file' || kind === 'otherFile';
}

/** What tells one state of it from another; undefined: it is not there. */
async function look(missing: OnDisk, { policy, libvirt }: OpenHosts): Promise<string | undefined> {
  switch (missing.kind) {
    case 'file':
      return lookAtFile(missing.path);
    case 'otherFile': {
      const seen = await lookAtFile(missing.path);
      return seen === missing.version ? undefined : seen;
    }
    case 'lock':
      return (await isLockHeld(missing.path)) ? undefined : 'free';
    case 'onHost': {
      const found = await Promise.all(missing.anyOf.map((need) => lookAtHost(need, { policy, libvirt })));
      return found.find((one) => one !== undefined);
    }
    case 'volume':
      return (
        await libvirt(requireAllowedHost(policy, missing.uri, 'uri')).volume(missing.pool, missing.volume)
      )?.path;
  }
}

/** A host that does not answer has nothing. */
async function lookAtHost(need: HostNeed, { policy, libvirt }: OpenHosts): Promise<string | undefined> {
  try {
    const facts = await libvirt(requireAllowedHost(policy, need.uri, 'uri')).facts();
    if (need.what === 'host') return need.uri;
    const there = need.what === 'pool' ? facts.pools : facts.networks;
    return there.find(({ name, active }) => active && name === need.name)?.name;
  } catch {
    return undefined;
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
