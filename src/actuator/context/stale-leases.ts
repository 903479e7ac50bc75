/**
 * Locks of Terraform's `kubernetes` backend have no end: what a killed run held stays held. They are released here, on
 * evidence only. Who holds one is written in it as `user@host name`, with the time at which it was taken.
 */

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { hasReason } from '../../kube/client/api-error.ts';
import type { Client } from '../../kube/client/client.ts';
import { type Lease, LeaseKind } from '../../kube/client/lease.ts';
import { isPodGone, type PodIdentity } from '../../kube/client/pod.ts';
import { LOCK_TIMEOUT_MS } from '../../system/file-lock.ts';
import type { LockHolder } from '../../system/lock-holder.ts';
import { identify, thisProcess } from '../../system/process-identity.ts';
import { holderFromLockInfo, parseLockInfo, stateLocked } from '../../terraform/format/lock-info.ts';
import type { SessionOptions } from '../../terraform/session.ts';

const LOCK_INFO = 'app.terraform.io/lock-info';
/** On a Lease: the pod that last worked on the state, as NAMESPACE/NAME/UID. */
const POD_ANNOTATION = 'caplv.cluster-api.k8s.io/pod';
/** On a Lease: the host that last worked on the state, as NAME/MACHINE/BOOT; see `HostedProcess`. */
const HOST_ANNOTATION = 'caplv.cluster-api.k8s.io/host';

/** Linux tells the start of a process in ticks after boot, and the boot in whole seconds. */
const TICK_MS = 10;
const CLOCK_DOUBT_MS = 2_000;

export interface StaleLocksOptions {
  readonly client: Client;
  /** The pod that this process runs in; undefined: it runs in none. */
  readonly pod: PodIdentity | undefined;
  readonly onRelease: (lease: ObjectKey, holder: string) => void;
}

export type LockWait = Pick<SessionOptions, 'lockTimeoutMs' | 'onEvent'>;

/** Rare, and each look is one request. */
const LOCK_POLL_MS = 500;

/**
 * A holder is gone
 * - when it is of this host, and no terraform runs here in that workspace that began before the lock was taken. (A pod has its name to
 *   itself, so this is also what is left of a container that was started again.)
 * - when it was a pod of ours, which noted itself on the Lease, and the API server says that this very pod is no more.
 * In doubt it is waited for, and named to whoever waits.
 */
export class StaleLocks {
  readonly #options: StaleLocksOptions;

  constructor(options: StaleLocksOptions) {
    this.#options = options;
  }

  /** Annotations with which a Lease names the pod, or else the host, that works on the state. */
  get note(): Record<string, string> {
    const { pod } = this.#options;
    if (pod) return { [POD_ANNOTATION]: `${pod.namespace}/${pod.name}/${pod.uid}` };
    const { host, machineId = '', bootId = '' } = thisProcess();
    return { [HOST_ANNOTATION]: `${host}/${machineId}/${bootId}` };
  }

  /**
   * `workspace`: the Terraform workspace that the Lease locks. Call it before each use of the state, and not while one of our own
   * runs may hold the lock. `seen`: the Lease, if it was read just now. Returns who holds it still.
   */
  async releaseIfStale(key: ObjectKey, workspace: string, seen?: Lease): Promise<LockHolder | undefined> {
    const { client, onRelease } = this.#options;
    const lease = seen ?? (await client.get(LeaseKind, key));
    if (!lease) return undefined;
    const annotations = lease.metadata.annotations ?? {};
    const isHeld = Boolean(lease.spec.holderIdentity);
    const isStale = isHeld && (await this.#isGone(annotations, workspace));
    const isNoted = Object.entries(this.note).every(([name, value]) => annotations[name] === value);
    const { [LOCK_INFO]: info = '', ...kept } = annotations;
    if (isHeld && !isStale) return holderFromLockInfo(info);
    if (!isStale && isNoted) return undefined;
    const spec: Lease['spec'] = { ...lease.spec };
    if (isStale) delete spec.holderIdentity;
    const metadata = {
      ...lease.metadata,
      annotations: { ...kept, ...this.note },
    };
    try {
      // With the version that was looked at: whoever took the lock since keeps it.
      await client.update(LeaseKind, { ...lease, metadata, spec });
    } catch (error) {
      // Somebody took it, or released it, just now.
      if (hasReason(error, 'Conflict')) return this.releaseIfStale(key, workspace);
      throw error;
    }
    if (isStale) onRelease(key, parseLockInfo(info)?.Who ?? 'unknown');
    return undefined;
  }

  /**
   * Waits until nobody holds the lock. Whoever looks at a host before that may see, and remove, what a terraform is making there:
   * one of a killed controller goes on for minutes. Throws StateLockedError (TransientError) that names the holder.
   */
  async untilFree(key: ObjectKey, workspace: string, options: LockWait, seen?: Lease): Promise<void> {
    const { lockTimeoutMs = LOCK_TIMEOUT_MS, onEvent } = options;
    const deadline = performance.now() + lockTimeoutMs;
    let announced: string | undefined;
    for (let lease = seen; ; lease = undefined) {
      const holder = await this.releaseIfStale(key, workspace, lease);
      if (holder === undefined) return;
      if (performance.now() >= deadline) throw stateLocked(holder);
      if (announced !== holder.id) onEvent?.({ type: 'waiting', holder });
      announced = holder.id;
      await delay(LOCK_POLL_MS);
    }
  }

  async #isGone(annotations: Readonly<Record<string, string>>, workspace: string): Promise<boolean> {
    const { Who: who = '', Created: created = '' } = parseLockInfo(annotations[LOCK_INFO] ?? '') ?? {};
    const host = who.slice(who.lastIndexOf('@') + 1);
    const since = Date.parse(created);
    if (host === hostname() && isOfAnother(annotations[HOST_ANNOTATION])) return false;
    if (host === hostname()) return Number.isFinite(since) && !mayBeHeldHere(workspace, since);
    const [namespace = '', name = '', uid = ''] = annotations[POD_ANNOTATION]?.split('/') ?? [];
    return host === name && uid !== '' && isPodGone(this.#options.client, { namespace, name, uid });
  }
}

/** What Terraform has written into a Lease of who holds it; empty: nobody does. */
export async function lockInfoOf(client: Client, key: ObjectKey): Promise<string> {
  return (await client.get(LeaseKind, key))?.metadata.annotations?.[LOCK_INFO] ?? '';
}

/** True if a note names another host of the same name. Without a note of that name it is taken for this one. */
function isOfAnother(note: string | undefined): boolean {
  const [host, machineId = '', bootId = ''] = note?.split('/') ?? [];
  const here = thisProcess();
  if (host !== here.host || bootId === (here.bootId ?? '')) return false;
  return machineId === '' || machineId !== here.machineId;
}

/** True if a terraform or tofu runs here that may have locked that workspace at that time (milliseconds since 1970). */
function mayBeHeldHere(workspace: string, time: number): boolean {
  const bootedAt = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]) * 1_000;
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      if (!/^(terraform|tofu)(?!-provi)/.test(readFileSync(`/proc/${pid}/comm`, 'utf8'))) return false;
      const ticks = Number(identify(Number(pid)).startTime);
      return bootedAt + ticks * TICK_MS <= time + CLOCK_DOUBT_MS && workspaceOf(pid) === workspace;
    } catch (error) {
      // It has ended; or it is another user's, of whom we know no more.
      return !['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '');
    }
  });
}

/** The Terraform workspace that a process works in. */
function workspaceOf(pid: string): string {
  const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  const variable = (name: string) =>
    variables.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
  const dataDir = resolve(readlinkSync(`/proc/${pid}/cwd`), variable('TF_DATA_DIR') || '.terraform');
  const selected = join(dataDir, 'environment');
  return (
    variable('TF_WORKSPACE') || (existsSync(selected) ? readFileSync(selected, 'utf8').trim() : 'default')
  );
}
