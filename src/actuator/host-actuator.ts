/**
 * What the machines of a host share: networks and pools that Clusters manage, in one state a host, and base images, each in a
 * state of its own. Everybody brings what he asks for, and lets go of what was his, whatever becomes of the rest. What is
 * wanted is evaluated again under each lock, so that two callers never undo each other's work.
 */

import type { ImageIntent, PoolIntent } from '../../stacks/intent.ts';
import { factsWith } from '../intent/host-intent.ts';
import { type HostIntent, NO_PARTS, type PartNames } from '../intent/hosted-intent.ts';
import type { HostFacts } from '../libvirt/host-facts.ts';
import type { VolumeKey } from '../libvirt/volume.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import { classified } from './context/classify-error.ts';
import type { ActuatorOptions, VerbOptions } from './context/options.ts';
import { withState } from './context/state-session.ts';
import { BaseImages, type ImageWait } from './host/base-images.ts';
import { both, type PartsAsk, partsOf } from './host/host-parts.ts';
import { type HandOver, handOverParts, takeOverParts } from './host/moved-parts.ts';
import { planParts } from './host/plan-parts.ts';
import { type PartsOptions, SharedParts } from './host/shared-parts.ts';
import type { PlanPreview } from './plan/preview.ts';
import { APPLIED } from './state/host-journal.ts';
import { type Restored, restoreState } from './state/restore.ts';
import { knownState } from './state/torn-state.ts';

/** Who asks for nothing is given nothing, and only looks. */
export interface HostAsk extends Partial<Pick<PartsAsk, 'apply' | 'need'>> {
  readonly image?: ImageIntent | undefined;
}

export interface EnsureOptions extends PartsOptions, ImageWait {
  /** Volumes that the caller wants to see. */
  readonly volumes?: readonly VolumeKey[];
  /** Sees the host as it will be, before anything is made. What it throws stops the call. */
  readonly check?: (facts: HostFacts) => void;
}

/** Networks, by name, and pools that were made here. */
export interface MadeObjects {
  readonly networks: readonly string[];
  readonly pools: readonly PoolIntent[];
}

export class HostActuator {
  readonly #options: ActuatorOptions;
  readonly #parts: SharedParts;
  readonly #images: BaseImages;

  constructor(options: ActuatorOptions) {
    this.#options = options;
    this.#parts = new SharedParts(options);
    this.#images = new BaseImages(options);
  }

  /**
   * Makes on host `uri` what is asked for of `intent`, all that anybody wants there. Costs no Terraform run when it was made
   * before and is still there, on the host and in the state; a state that was lost comes back. Returns what the host then looks
   * like, with the image and `volumes`, as far as they are there. Throws Terminal ReplaceRefused for a change that would replace
   * a network or pool, NotOwned for one that is there and not provably ours.
   */
  async ensure(
    uri: AllowedHost,
    intent: () => Promise<HostIntent>,
    { apply, need = NO_PARTS, image }: HostAsk,
    options: EnsureOptions = {},
  ): Promise<HostFacts> {
    return classified(async () => {
      const look = () => this.#facts(uri, image, options);
      const facts = await look();
      options.check?.(factsWith(facts, partsOf(await intent(), both(apply ?? NO_PARTS, need))));
      const ask = { apply: apply ?? NO_PARTS, need, release: NO_PARTS, tidy: apply !== undefined };
      const isChanged = await this.#parts.ensure(uri, intent, ask, async () => facts, options);
      const seen = isChanged ? await look() : facts;
      return image && (await this.#images.ensure(uri, image, seen, options)) ? look() : seen;
    });
  }

  /** What `ensure` would change of the networks and pools with those names. Changes nothing. See `planParts`. */
  async plan(
    uri: AllowedHost,
    intent: HostIntent,
    names: PartNames,
    options: VerbOptions = {},
  ): Promise<PlanPreview> {
    return classified(() => planParts(this.#options, uri, intent, names, options));
  }

  /**
   * Removes networks and pools that nobody wants any more; makes and changes nothing. Throws what terraform says if one of
   * `names` could not be removed: others are left to later calls.
   */
  async releaseParts(
    uri: AllowedHost,
    intent: () => Promise<HostIntent>,
    names: PartNames,
    options: VerbOptions = {},
  ): Promise<void> {
    await classified(async () => {
      // An image lies in a pool.
      await this.#images.releaseUnused(uri, isWantedIn(intent), options);
      const ask = { apply: NO_PARTS, need: NO_PARTS, release: names, tidy: true };
      await this.#parts.ensure(uri, intent, ask, () => this.#options.libvirt(uri).facts(), options);
    });
  }

  /** See `handOverParts`. */
  async handOver(uri: AllowedHost, what: HandOver, options: VerbOptions = {}): Promise<void> {
    await classified(() => handOverParts(this.#options, uri, what, options));
  }

  /** See `takeOverParts`. */
  async takeOver(
    uri: AllowedHost,
    names: PartNames,
    parts: string,
    options: VerbOptions = {},
  ): Promise<void> {
    await classified(() => takeOverParts(this.#options, uri, names, parts, options));
  }

  /** Removes an image unless `intent`, all that anybody wants, has it. Needs nothing of other images, networks or pools. */
  async releaseImage(
    uri: AllowedHost,
    intent: () => Promise<HostIntent>,
    image: Pick<ImageIntent, 'pool' | 'volume'>,
    options: VerbOptions = {},
  ): Promise<void> {
    await classified(() => this.#images.release(uri, image, isWantedIn(intent), options));
  }

  /** Puts a serial of the history in place of the host's state, even of one that cannot be read. See state/restore.ts. */
  async restoreState(uri: AllowedHost, serial: number, { onEvent }: VerbOptions = {}): Promise<Restored> {
    return classified(async () => {
      const home = await this.#options.workspaces.host(uri);
      const request = { operation: 'state restore', onEvent };
      return withState(this.#options, uri, home, request, async (session) => {
        const restored = await restoreState(session, serial);
        // What was applied last may be in another serial.
        await home.notes.remove(APPLIED);
        return restored;
      });
    });
  }

  /** What of the host the state knows. */
  async made(uri: AllowedHost): Promise<MadeObjects> {
    const state = await knownState(this.#options, await this.#options.workspaces.host(uri));
    const all = (wanted: string) =>
      (state?.resources ?? []).flatMap(({ type, attributes }) => (type === wanted ? [attributes] : []));
    return {
      networks: all('libvirt_network').map(({ name }) => String(name)),
      pools: all('libvirt_pool').map(({ name, target }) => ({
        name: String(name),
        path: String((target as readonly { readonly path?: unknown }[] | undefined)?.[0]?.path),
      })),
    };
  }

  /** Ranges of all networks of the host, active or not, by name; see `NetworkDetails`. */
  async networkRanges(uri: AllowedHost): Promise<ReadonlyMap<string, readonly string[]>> {
    return classified(async () => {
      const libvirt = this.#options.libvirt(uri);
      const names = (await libvirt.facts()).networks.map(({ name }) => name);
      const { networks } = await libvirt.facts({ networks: names });
      return new Map(networks.map(({ name, details }) => [name, details?.ranges ?? []]));
    });
  }

  /** Removes an image that no state knows. The caller has proven that it is ours, and that no disk stands on it. */
  async removeImage(uri: AllowedHost, image: VolumeKey): Promise<void> {
    await classified(() => this.#images.removeUnknown(uri, image));
  }

  #facts(
    uri: AllowedHost,
    image: ImageIntent | undefined,
    { volumes = [] }: Pick<EnsureOptions, 'volumes'>,
  ): Promise<HostFacts> {
    const named = [...volumes, ...(image ? [{ pool: image.pool, name: image.volume }] : [])];
    const details = new Map(named.map((one) => [`${one.pool}/${one.name}`, one]));
    return this.#options.libvirt(uri).facts({ details: [...details.values()] });
  }
}

function isWantedIn(intent: () => Promise<HostIntent>) {
  return async ({ pool, volume }: Pick<ImageIntent, 'pool' | 'volume'>): Promise<boolean> => {
    const { images, incomplete } = await intent();
    // A Machine that cannot be read may stand on it.
    return incomplete !== undefined || images.some((one) => one.pool === pool && one.volume === volume);
  };
}
