/**
 * Compares what is on a host with the states and the objects, and puts right what is provably ours: into the state of its
 * Machine if that lives, away if not. What is in doubt is told, and left alone.
 */

import { classified } from '../../actuator/context/classify-error.ts';
import type { StateBackends, StateHandle } from '../../actuator/context/state-home.ts';
import type { HostActuator } from '../../actuator/host-actuator.ts';
import type { Actuator } from '../../actuator/machine-actuator.ts';
import { type Machine, MachineKind } from '../../api/kinds/machine.ts';
import { isPaused } from '../../api/schema/paused.ts';
import { findCondition } from '../../apimachinery/conditions.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { formatKey } from '../../apimachinery/object-key.ts';
import { CaplvError, TerminalError } from '../../errors.ts';
import { instanceIdOf } from '../../intent/instance-id.ts';
import type { MachineIdentity } from '../../intent/names.ts';
import { imageOf } from '../../intent/resolve-machine.ts';
import { ApiError } from '../../kube/client/api-error.ts';
import type { HostInventory } from '../../libvirt/inventory.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';
import type { Store } from '../../store/store.ts';
import type { UnreadableObjectError } from '../../store/unreadable-object.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { type State, StateCorruptError } from '../../terraform/format/state.ts';
import type { Terraform } from '../../terraform/terraform.ts';
import type { MachineResolver } from '../machine/resolver.ts';
import { type ExistingMachine, findOrphans, type KnownState, type Orphan } from './classify.ts';

export interface OrphanSweepOptions {
  /** Asked directly, and not from a cache: an object that is missing here is gone. */
  readonly store: Store;
  readonly installation: string;
  /** The identity as the store tells it now: another one, and everything would look like nobody's. */
  readonly identify: () => Promise<string>;
  /** See `ClusterView`. */
  readonly derivesUid?: (key: ObjectKey, uidStart: string) => boolean;
  /** See `ClusterView`. */
  readonly isWatched: (namespace: string) => boolean;
  readonly workspaces: StateBackends;
  readonly terraform: Terraform;
  readonly actuator: Actuator;
  readonly hostActuator: HostActuator;
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  readonly resolver: Pick<MachineResolver, 'hostOf'>;
  /** Has the Machine reconciled, since its state lacks something: that brings it back. */
  readonly adopt: (machine: MachineIdentity) => Promise<void>;
}

/** What was seen of a host in one look. */
export interface HostObservation {
  readonly uri: AllowedHost;
  readonly orphans: readonly Orphan[];
  readonly inventory: HostInventory;
}

/** `namespaces`: undefined for all. */
export function isIn(namespaces: readonly string[] | undefined): (namespace: string) => boolean {
  return (namespace) => namespaces === undefined || namespaces.includes(namespace);
}

/** Guests that nobody asks for any more get this long. */
const SHUTDOWN_MS = 60_000;

export class OrphanSweep {
  readonly #options: OrphanSweepOptions;
  /** What a state knew when it had that version. */
  readonly #states = new Map<string, { readonly version: string; readonly known: KnownState }>();

  constructor(options: OrphanSweepOptions) {
    this.#options = options;
  }

  /** Changes nothing. Throws TransientError LibvirtUnreachable, and TerminalError InvalidConfiguration for a store that is another one now. */
  async look(uri: AllowedHost): Promise<HostObservation> {
    const { store, installation, workspaces, derivesUid, isWatched } = this.#options;
    await this.#confirmIdentity();
    const libvirt = this.#options.libvirt(uri);
    return classified(async () => {
      // In this order: what is made after the look at the host is in none of the others.
      const inventory = await libvirt.inventory();
      const states = await this.#knownStates();
      const shared = [await workspaces.host(uri), ...(await workspaces.images(uri))];
      const host = merged(await Promise.all(shared.map((home) => this.#readState(home))));
      const unreadable: ExistingMachine[] = [];
      const onUnreadable = (errors: readonly UnreadableObjectError[]) =>
        unreadable.push(...errors.map(unknown));
      const machines = [...(await store.list(MachineKind, { onUnreadable })).map(living), ...unreadable];
      const orphans = await findOrphans(inventory, {
        uri,
        installation,
        isWatched,
        machines,
        states,
        host,
        ...(derivesUid && { derivesUid }),
        hasDomain: async (host, name) => {
          try {
            const allowed = this.#options.resolver.hostOf({ uri: host });
            return (await this.#options.libvirt(allowed).domain(name)) !== undefined;
          } catch (error) {
            if (error instanceof LibvirtError || error instanceof CaplvError) return undefined;
            throw error;
          }
        },
        baseOf: async (pool, volume) => (await libvirt.volume(pool, volume))?.backingPath,
      });
      return { uri, orphans, inventory };
    });
  }

  /** Does what `look` decided about one machine, or one image. Looks again at all that it was decided by. */
  async fix({ uri, inventory }: HostObservation, orphan: Orphan): Promise<void> {
    const { actuator, hostActuator, adopt } = this.#options;
    const { machine, kind, name, pool = '' } = orphan;
    if (orphan.action === 'adopt' && machine) return adopt(machine);
    if (orphan.action !== 'remove') return;
    if (kind === 'image') return hostActuator.removeImage(uri, { pool, name });
    if (!machine) return;
    // Not as it was at the look.
    if ((await this.#lives(machine)) !== (orphan.ownerExists ?? false)) return;
    if (orphan.ownerExists) return actuator.removeVolume({ ...machine, uri }, { pool, volume: name });
    const domain = inventory.domains.find((one) => one.name === name);
    const macs = new Set(domain?.interfaces.map(({ mac }) => mac));
    const reservations = inventory.reservations
      .filter(({ mac }) => mac !== undefined && macs.has(mac.toLowerCase()))
      .map(({ network, name: hostname = '', ip, mac }) => ({ network, hostname, address: ip, mac }));
    const pools = [...new Set(inventory.volumes.map((volume) => volume.pool))];
    const location = { ...machine, uri, pools, reservations };
    await actuator.delete(location, { shutdownTimeoutMs: SHUTDOWN_MS });
  }

  /** Why a Machine is not ready, in its own words; undefined: it is, or is not there. */
  async notReady({ namespace, name }: MachineIdentity): Promise<string | undefined> {
    const machine = await this.#options.store.get(MachineKind, { namespace, name });
    const ready = findCondition(machine, 'Ready');
    if (!ready || ready.status === 'True') return undefined;
    return [ready.reason, ready.message].filter(Boolean).join(': ');
  }

  /** By two questions to the store itself, since one empty answer by mistake must not cost a machine. */
  async #lives({ namespace, name, uid }: MachineIdentity): Promise<boolean> {
    await this.#confirmIdentity();
    const { store } = this.#options;
    const [machine, all] = await Promise.all([
      store.get(MachineKind, { namespace, name }),
      // One that cannot be read is refused by the first question.
      store.list(MachineKind, { namespace, onUnreadable: () => {} }),
    ]);
    return [machine, ...all].some((one) => one && instanceIdOf(one).startsWith(uid));
  }

  async #confirmIdentity(): Promise<void> {
    const now = await this.#options.identify();
    if (now === this.#options.installation) return;
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: `the store was installation ${this.#options.installation}, and now is ${now}: nothing on the hosts is compared with it`,
      fix: 'check which cluster the kubeconfig, or which store the state directory, names, and restart caplv',
    });
  }

  /** Reads those states only that changed since the last time. */
  async #knownStates(): Promise<Map<string, KnownState>> {
    const { workspaces } = this.#options;
    const states = new Map<string, KnownState>();
    for (const { key, version } of await workspaces.machineStates()) {
      const id = formatKey(key);
      const before = this.#states.get(id);
      const known =
        before?.version === version ? before.known : await this.#readState(workspaces.machine(key));
      this.#states.set(id, { version, known });
      // A state that says nothing is none.
      if (known === 'corrupt' || known.domains.size + known.volumes.size > 0) states.set(id, known);
    }
    for (const id of this.#states.keys()) if (!states.has(id)) this.#states.delete(id);
    return states;
  }

  async #readState({ workspace }: Pick<StateHandle, 'workspace'>): Promise<KnownState> {
    try {
      return knownIn(await this.#options.terraform.state(workspace));
    } catch (error) {
      // Of one that may not be read, too, nobody knows what is in it; the others are compared all the same.
      if (error instanceof StateCorruptError || (error instanceof ApiError && error.code > 0))
        return 'corrupt';
      throw error;
    }
  }
}

/** Where one cannot be read, nobody knows what it holds. */
function merged(states: readonly KnownState[]): KnownState {
  const readable = states.filter((state) => state !== 'corrupt');
  if (readable.length < states.length) return 'corrupt';
  const all = (what: 'domains' | 'volumes') => new Set(readable.flatMap((state) => [...state[what]]));
  return { domains: all('domains'), volumes: all('volumes') };
}

function knownIn(state: State | undefined): Exclude<KnownState, 'corrupt'> {
  const resources = state?.resources ?? [];
  const values = (isWanted: (type: string) => boolean, attribute: string) =>
    new Set(
      resources
        .filter(({ type }) => isWanted(type))
        .flatMap(({ attributes: { [attribute]: value } }) => (typeof value === 'string' ? value : [])),
    );
  return {
    domains: values((type) => type === 'libvirt_domain', 'id'),
    volumes: values((type) => type !== 'libvirt_domain', 'name'),
  };
}

/** A Machine of which only the name can be read: what is there of it is left alone. */
function unknown({ key, uid }: UnreadableObjectError): ExistingMachine {
  return { ...key, uid, uri: undefined, isSettled: false };
}

function living(machine: Machine): ExistingMachine {
  const { metadata, status } = machine;
  const { namespace = 'default', name, deletionTimestamp } = metadata;
  const { pinned, appliedHash } = status?.providerStatus ?? {};
  const image = pinned && imageOf(pinned);
  const isBusy = status?.lastOperation?.state === 'Processing' || isPaused(machine);
  return {
    namespace,
    name,
    uid: instanceIdOf(machine),
    uri: pinned?.uri,
    isSettled: appliedHash !== undefined && !deletionTimestamp && !isBusy,
    ...(image && { image: { pool: image.pool, volume: image.volume } }),
  };
}
