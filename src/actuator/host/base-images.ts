/**
 * Base images, imported once, shared by the machines of a host: a stack, a state and a lock for each, and a provider of its own
 * for as long as it is transferred. So a server that is slow, or stalls, stops those machines only that need this image.
 */

import { objectsOfHost, type StackObject } from '../../../stacks/import-stack.ts';
import type { ImageIntent } from '../../../stacks/intent.ts';
import { CaplvError, type ErrorCode, TerminalError } from '../../errors.ts';
import type { HostIntent } from '../../intent/hosted-intent.ts';
import { isImageVolume } from '../../intent/names.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { VolumeKey } from '../../libvirt/volume.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { StateLockedError } from '../../system/lock-holder.ts';
import type { ResourceChange } from '../../terraform/format/resource-change.ts';
import { classify } from '../context/classify-error.ts';
import type { ActuatorOptions, VerbOptions } from '../context/options.ts';
import type { SourceProgress } from '../context/source-relay.ts';
import type { StateHandle } from '../context/state-home.ts';
import { type SessionRequest, type StateSession, withState } from '../context/state-session.ts';
import {
  APPLIED,
  isUnused,
  keepMaking,
  pendingCreates,
  recordPendingCreates,
} from '../state/host-journal.ts';
import { withStateAtRisk } from '../state/machine-journal.ts';
import { hasImages, moveImages } from '../state/move-images.ts';
import { completeHostState, knowsAll, restoreHostState } from '../state/recover-host.ts';
import { isTorn, knownState, setTornAside } from '../state/torn-state.ts';
import { fullPool } from './full-pool.ts';
import { findOverlay } from './overlays.ts';
import { refuseOtherFormats } from './volume-guard.ts';

/** How long is waited for others who are at work on an image that nobody wants. */
const BRIEF_MS = 1_000;

export interface ImageWait {
  /** Leave the wait for an image that another machine is making to whoever knows what is missing. Default: wait for it. */
  readonly defersImage?: boolean | undefined;
}

/** The note of the content that was transferred last, in hexadecimal digits. */
const SHA256 = 'sha256';

interface RemoveOptions extends Pick<SessionRequest, 'onEvent' | 'lockTimeoutMs' | 'runTimeoutMs'> {
  /** Image that the state may not know. */
  readonly untracked?: ImageName;
}

type ImageName = Pick<ImageIntent, 'pool' | 'volume'>;

export class BaseImages {
  readonly #options: ActuatorOptions;

  constructor(options: ActuatorOptions) {
    this.#options = options;
  }

  /**
   * Makes an image, unless it is there, on the host and in its state; a state that was lost comes back. Returns whether there was
   * anything to do. Throws what terraform says of the transfer, and StateLockedError (TransientError) while another makes it: with
   * `defersImage` at once, and its `missing` is the end of that transfer.
   */
  async ensure(
    uri: AllowedHost,
    image: ImageIntent,
    facts: HostFacts,
    { defersImage = false, onEvent }: VerbOptions & ImageWait,
  ): Promise<boolean> {
    const home = this.#options.workspaces.image(uri, image);
    if (!(await isTorn(home)) && (await this.#isThere(uri, image, facts.volumes, home))) return false;
    await this.#moveIn(uri, onEvent);
    const wait = defersImage ? { lockTimeoutMs: 0 } : {};
    const request = { operation: 'image', ...wait, onEvent, ownProvider: true };
    await withState(this.#options, uri, home, request, (session) => this.#make(image, session)).catch(
      (error: unknown) => {
        throw imageLocked(error, image);
      },
    );
    return true;
  }

  /**
   * Removes an image unless `isWanted`, which is asked again under its lock, or a disk on the host stands on it. Makes nothing, and looks at
   * no other image.
   */
  async release(
    uri: AllowedHost,
    image: ImageName,
    isWanted: (image: ImageName) => Promise<boolean>,
    { onEvent }: VerbOptions,
  ): Promise<void> {
    if (await isWanted(image)) return;
    await this.#moveIn(uri, onEvent);
    const home = this.#options.workspaces.image(uri, image);
    await this.#remove(uri, home, () => isWanted(image), { onEvent, untracked: image });
  }

  /** Removes all images that nobody wants. One that cannot be removed is left to a later call. */
  async releaseUnused(
    uri: AllowedHost,
    isWanted: (image: ImageName) => Promise<boolean>,
    { onEvent }: VerbOptions,
  ): Promise<void> {
    await this.#moveIn(uri, onEvent);
    for (const home of await this.#options.workspaces.images(uri)) {
      const isAnyWanted = async () => {
        const wanted = await Promise.all((await this.#imagesIn(home)).map(isWanted));
        return wanted.includes(true);
      };
      try {
        const brief = { onEvent, lockTimeoutMs: BRIEF_MS, runTimeoutMs: BRIEF_MS };
        if (!(await isAnyWanted())) await this.#remove(uri, home, isAnyWanted, brief);
      } catch (error) {
        if (!(classify(error) instanceof CaplvError)) throw error;
      }
    }
  }

  /** Removes an image that no state knows. */
  async removeUnknown(uri: AllowedHost, { pool, name }: VolumeKey): Promise<void> {
    const home = this.#options.workspaces.image(uri, { pool, volume: name });
    const { terraform, libvirt, workspaces } = this.#options;
    const lock = await terraform.lock(home.workspace, { operation: 'remove an image' });
    try {
      for (const { workspace } of [home, await workspaces.host(uri)]) {
        const state = await terraform.state(workspace);
        if (state?.resources.some(({ attributes }) => attributes['name'] === name)) return;
      }
      await libvirt(uri).removeVolume(pool, name);
    } finally {
      await lock.release();
    }
  }

  /** An earlier caplv had all of a host in one state. */
  async #moveIn(uri: AllowedHost, onEvent: VerbOptions['onEvent']): Promise<void> {
    const home = await this.#options.workspaces.host(uri);
    if (!(await hasImages(this.#options, home))) return;
    await withState(this.#options, uri, home, { operation: 'host', onEvent }, async (session) => {
      await moveImages(this.#options, session);
      if (await isUnused(this.#options, home)) await home.discard();
    });
  }

  async #isThere(
    uri: AllowedHost,
    image: ImageIntent,
    volumes: HostFacts['volumes'],
    home: StateHandle,
  ): Promise<boolean> {
    const isOnHost = volumes.some(({ pool, name }) => pool === image.pool && name === image.volume);
    if (!isOnHost) return false;
    return home.readOnce(async () => {
      if ((await home.notes.read(APPLIED)) === undefined) return false;
      return knowsAll(this.#options.terraform, home, only(uri, image));
    });
  }

  async #make(image: ImageIntent, session: StateSession): Promise<void> {
    const { uri, home, terraform } = session;
    const { synthesizer, libvirt } = this.#options;
    const wanted = only(uri, image);
    await setTornAside(session);
    const details = [{ pool: image.pool, name: image.volume }];
    const { volumes } = await libvirt(uri).facts({ details });
    if (await this.#isThere(uri, image, volumes, home)) return;
    const config = await synthesizer.host(wanted, home.backend);
    await session.saveErroredState();
    await restoreHostState(this.#options, session);
    const begun = await pendingCreates(home);
    await completeHostState(this.#options, session, wanted, begun);
    // Of an empty state nothing can be replaced: one run.
    const isNew = !(await terraform.state())?.resources.length;
    const plan = isNew ? undefined : await terraform.plan(config, { save: true });
    if (plan?.action !== 'none') {
      await recordPendingCreates(
        home,
        wanted,
        plan ?? { changes: objectsOfHost(wanted).map(created) },
        begun,
      );
      await this.#transfer(image, session, isNew);
    } else await refuseOtherFormats(libvirt(uri), image);
    await keepMaking(home, () => false);
    await home.notes.write(APPLIED, image.volume);
  }

  /** Fills the volume, over the relay. What is refused on its way, or by how libvirt reads it then, leaves nothing behind. */
  async #transfer(image: ImageIntent, session: StateSession, isNew: boolean): Promise<void> {
    const { uri, home, terraform } = session;
    const { synthesizer, libvirt, relay } = this.#options;
    let isFilled = isNew;
    try {
      const { source, checksum, volume } = image;
      const onProgress = (progress: SourceProgress) =>
        session.onEvent({ type: 'image_progress', volume, ...progress });
      await relay.offer(
        { kind: 'image', source, checksum },
        async (offer) => {
          const config = await synthesizer.host(only(uri, { ...image, source: offer.url }), home.backend);
          // A saved plan holds the source that it was made with.
          const plan = isNew ? undefined : await terraform.plan(config, { save: true });
          const explainHang = async () => offer.failure ?? fullPool(libvirt(uri), [image.pool]);
          await withStateAtRisk(home, 'update', () => terraform.apply(config, { plan, explainHang }));
          if (!offer.transfer) return;
          isFilled = true;
          await home.notes.write(SHA256, offer.transfer.sha256);
          session.onEvent({ type: 'image_transferred', volume: image.volume, ...offer.transfer });
        },
        onProgress,
      );
      await refuseOtherFormats(libvirt(uri), image);
    } catch (error) {
      if (isRefusal(error)) await this.#undo(image, session, isFilled);
      throw error;
    }
  }

  /** Removes what a transfer made. `isFilled`: all that is there is of this transfer; else only what was half made before. */
  async #undo(image: ImageIntent, session: StateSession, isFilled: boolean): Promise<void> {
    const { uri, home, terraform } = session;
    const resources = (await terraform.state())?.resources ?? [];
    if (!isFilled && !resources.every(({ tainted }) => tainted)) return;
    if (resources.length > 0) await withStateAtRisk(home, 'delete', () => session.destroy());
    // Of an upload that failed the provider may have forgotten the volume.
    if (isFilled) await this.#options.libvirt(uri).removeVolume(image.pool, image.volume);
    await home.discard();
  }

  async #remove(
    uri: AllowedHost,
    home: StateHandle,
    isWanted: () => Promise<boolean>,
    { untracked, ...wait }: RemoveOptions,
  ): Promise<void> {
    if (!untracked && !(await home.exists()) && (await home.history.list()).length === 0) return;
    const request = { operation: 'remove an image', ...wait };
    await withState(this.#options, uri, home, request, async (session) => {
      // Whoever pins it from here on waits for the lock; who has done so before is seen.
      await home.notes.remove(APPLIED);
      if (await isWanted()) return;
      await setTornAside(session);
      await session.saveErroredState();
      await restoreHostState(this.#options, session);
      const nothing = { uri, networks: [], pools: [], images: [] };
      const begun = [...(await pendingCreates(home)), ...(untracked ? objectsOfImage(uri, untracked) : [])];
      await completeHostState(this.#options, session, nothing, begun);
      const bases = (await this.#imagesIn(home)).map(({ pool, volume }) => ({ pool, name: volume }));
      // Of a machine that is not known here: of another cluster, or of a namespace that is no longer watched. A later call removes it.
      if (await findOverlay(this.#options.libvirt(uri), bases)) return;
      const state = await session.terraform.state();
      if (state?.resources.length) await withStateAtRisk(home, 'delete', () => session.destroy());
      await home.discard();
    });
  }

  /** What a state, or the note of a broken run, says that it is about. */
  async #imagesIn(home: StateHandle): Promise<ImageName[]> {
    const state = await knownState(this.#options, home);
    const known = (state?.resources ?? []).map(({ attributes }) => ({
      pool: String(attributes['pool']),
      volume: String(attributes['name']),
    }));
    const begun = (await pendingCreates(home)).map(({ pool = '', object }) => ({ pool, volume: object }));
    return [...known, ...begun];
  }
}

/** In words of the image; what is locked by a terraform of elsewhere stays as it is. */
function imageLocked(error: unknown, { pool, volume }: ImageName): unknown {
  if (!(error instanceof StateLockedError) || error.missing === undefined) return error;
  return new StateLockedError(error.holder, {
    where: `The image ${pool}/${volume}`,
    fix: 'nothing to do: the machine continues when that has ended',
    missing: error.missing,
    cause: error,
  });
}

/** The content will not do, however often it is fetched. */
function isRefusal(error: unknown): boolean {
  return error instanceof TerminalError && REFUSALS.has(error.code);
}

const REFUSALS: ReadonlySet<ErrorCode> = new Set(['ImageInvalid', 'ImageNotFound', 'NotAllowed']);

/** In a state that does not know it, as after `clusterctl move`, which leaves the states of a host: an image of ours by its name. */
function objectsOfImage(uri: AllowedHost, { pool, volume }: ImageName): StackObject[] {
  if (!isImageVolume(volume)) return [];
  return objectsOfHost(only(uri, { pool, volume, source: '' }));
}

function created({ type, name }: StackObject): ResourceChange {
  return { address: `${type}.${name}`, type, name, action: 'create' };
}

function only(uri: AllowedHost, image: ImageIntent): HostIntent {
  return { uri, networks: [], pools: [], images: [image] };
}
