/**
 * Finds the host for a new machine among those of its Cluster. Choices are made one at a time, so that two never count on the same room;
 * hosts are asked before, so that nobody waits for those of others.
 */

import { classified } from '../../actuator/context/classify-error.ts';
import { clusterNameOf, type Machine, MachineKind, storedMachineSpec } from '../../api/kinds/machine.ts';
import { memoryMiB } from '../../api/kinds/machine-provider-spec.ts';
import { CaplvError } from '../../errors.ts';
import { domainName, isOwnedBy } from '../../intent/names.ts';
import { type Candidate, choosePlace, occupancy, type Wanted } from '../../intent/placement.ts';
import type { Site } from '../../intent/site.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { Store } from '../../store/store.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';

/** What a host lacked may be there again after this. */
const TRIED_MS = 10 * 60_000;

interface Place {
  readonly uri: string;
  readonly memoryMiB: number;
  readonly vcpu: number;
}

/** `domains`: names of all on the host. */
type HostRoom = Pick<Candidate, 'site' | 'memoryMiB' | 'freeMemoryMiB' | 'cpus'> & {
  readonly domains: readonly string[];
};

export class Placer {
  readonly #store: Store;
  readonly #libvirt: (uri: AllowedHost) => Libvirt;
  /** Chosen by us, and perhaps not yet written into the status of the machine; by uid. */
  readonly #chosen = new Map<string, Place>();
  /** Hosts on which a machine could not be made, with the time of the last try (performance.now()); by uid. */
  readonly #passedOver = new Map<string, Map<string, number>>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: { readonly store: Store; readonly libvirt: (uri: AllowedHost) => Libvirt }) {
    this.#store = options.store;
    this.#libvirt = options.libvirt;
  }

  /** `sites`: at least one. Throws what `choosePlace` does, and TransientError LibvirtUnreachable when no host answers. */
  async place(machine: Machine, sites: readonly Site[], wanted: Wanted): Promise<Site> {
    const [only, ...others] = sites;
    if (only && others.length === 0 && only.limits === undefined) return only;
    const looks = await Promise.all(sites.map((site) => this.#look(site)));
    const made = await this.#whereItIs(
      machine,
      looks.filter((look): look is HostRoom => !(look instanceof CaplvError)),
    );
    if (made) return made;
    const turn = this.#turn.then(() => this.#choose(machine, looks, wanted));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Prefer other hosts for this machine from now on, for a while. */
  excludeHost({ metadata: { uid = '' } }: Machine, uri: string): void {
    this.#passedOver.set(uid, (this.#passedOver.get(uid) ?? new Map()).set(uri, performance.now()));
  }

  async #choose(machine: Machine, looks: readonly (HostRoom | CaplvError)[], wanted: Wanted): Promise<Site> {
    const { uid = '' } = machine.metadata;
    this.#chosen.delete(uid);
    const machines = (await this.#store.list(MachineKind, { onUnreadable: () => {} })).filter(
      ({ metadata }) => metadata.uid !== uid,
    );
    const uids = new Set(machines.map(({ metadata }) => metadata.uid));
    for (const known of this.#chosen.keys()) if (!uids.has(known)) this.#chosen.delete(known);
    for (const known of this.#passedOver.keys()) {
      if (known !== uid && !uids.has(known)) this.#passedOver.delete(known);
    }
    const placed = machines.flatMap((one) => {
      const place = this.#placeOf(one);
      if (!place) return [];
      const isLeaving = one.metadata.deletionTimestamp !== undefined;
      return [{ ...place, isSibling: areSiblings(one, machine), isLeaving }];
    });
    const candidates = looks.flatMap((look): Candidate[] => {
      if (look instanceof CaplvError) return [];
      return [{ ...look, ...occupancy(look.site.uri, placed) }];
    });
    if (candidates.length === 0) throw looks[0];
    const failed = this.#passedOver.get(uid);
    const wasTried = ({ uri }: Site) => performance.now() - (failed?.get(uri) ?? -TRIED_MS) < TRIED_MS;
    const site = choosePlace(
      candidates.map((one) => ({ ...one, wasTried: wasTried(one.site) })),
      wanted,
    );
    this.#chosen.set(uid, { uri: site.uri, memoryMiB: wanted.memoryMiB, vcpu: wanted.vcpu });
    return site;
  }

  /** The host that has its domain already: somebody lost what was known of the machine, and its place with it. */
  async #whereItIs(
    { metadata: { namespace = 'default', name, uid = '' } }: Machine,
    rooms: readonly HostRoom[],
  ): Promise<Site | undefined> {
    const machine = { namespace, name, uid };
    for (const { site, domains } of rooms) {
      if (!domains.includes(domainName(machine))) continue;
      const found = await classified(() => this.#libvirt(site.uri).domain(domainName(machine)));
      if (isOwnedBy(machine, found?.description)) return site;
    }
    return undefined;
  }

  #placeOf(machine: Machine): Place | undefined {
    const pinned = machine.status?.providerStatus?.pinned;
    if (!pinned) return this.#chosen.get(machine.metadata.uid ?? '');
    const spec = storedMachineSpec(machine);
    return { uri: pinned.uri, memoryMiB: memoryMiB(spec), vcpu: spec.vcpu };
  }

  /** A host that does not answer is passed over. */
  async #look(site: Site): Promise<HostRoom | CaplvError> {
    try {
      const { memoryMiB, freeMemoryMiB, cpus, domains } = await classified(() =>
        this.#libvirt(site.uri).facts(),
      );
      return { site, memoryMiB, freeMemoryMiB, cpus, domains };
    } catch (error) {
      if (error instanceof CaplvError) return error;
      throw error;
    }
  }
}

function areSiblings(a: Machine, b: Machine): boolean {
  return a.metadata.namespace === b.metadata.namespace && clusterNameOf(a) === clusterNameOf(b);
}
