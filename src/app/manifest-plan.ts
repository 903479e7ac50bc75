/** Plans what manifests would change, each kind by what its controller decides. Changes nothing, in the store or on a host. */

import { classified } from '../actuator/context/classify-error.ts';
import type { PlanPreview } from '../actuator/plan/preview.ts';
import { type Cluster, ClusterKind } from '../api/kinds/cluster.ts';
import { type Machine, MachineKind } from '../api/kinds/machine.ts';
import type { KubeObject } from '../apimachinery/object.ts';
import { formatKey, keyOf } from '../apimachinery/object-key.ts';
import { controllerOf } from '../apimachinery/owner-reference.ts';
import { ClusterReconciler } from '../controllers/cluster/controller.ts';
import {
  refuseTakenAddresses,
  refuseUnusableAddresses,
} from '../controllers/machine/addresses/fixed-addresses.ts';
import { refuseSharedMac } from '../controllers/machine/addresses/mac-conflict.ts';
import { domainElsewhere, otherHostsWithDomain } from '../controllers/machine/moved-domain.ts';
import { newUse } from '../controllers/machine/prepare-host.ts';
import type { MachineResolver } from '../controllers/machine/resolver.ts';
import { HostResources } from '../controllers/shared/shared-hosts.ts';
import { factsWith, hostIntent } from '../intent/host-intent.ts';
import { requireHostSupport } from '../intent/host-support.ts';
import { preflight } from '../intent/preflight.ts';
import { imageOf } from '../intent/resolve-machine.ts';
import { type OverlayBase, OverlayStore } from '../store/overlay-store.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import type { Config } from './config.ts';
import { type Engine, openResolver } from './engine.ts';

export class ManifestPlanner {
  /** The objects as they are once the manifests are applied. */
  readonly store: OverlayStore;
  readonly #engine: Engine;
  /** One for all machines: it remembers where it put those that are not there yet. */
  readonly #resolver: MachineResolver;
  readonly #hosts: HostResources;
  readonly #clusters: ClusterReconciler;

  constructor(
    config: Config,
    engine: Engine & { readonly store: OverlayBase },
    objects: readonly KubeObject[],
  ) {
    const { policy } = config;
    this.store = new OverlayStore(engine.store, objects);
    this.#engine = engine;
    this.#resolver = openResolver(config, this.store, engine.libvirt);
    this.#hosts = new HostResources({ store: this.store, actuator: engine.hostActuator, policy });
    this.#clusters = new ClusterReconciler({
      store: this.store,
      hosts: this.#hosts,
      recorder: { event: () => {} },
      allowReplace: false,
      policy,
    });
  }

  /** Networks and pools, by the libvirt URI of the host. */
  async cluster(object: KubeObject): Promise<Map<AllowedHost, PlanPreview>> {
    return this.#clusters.plan((await this.#planned(ClusterKind, object)) as Cluster);
  }

  async machine(object: KubeObject): Promise<PlanPreview & { readonly host: string | undefined }> {
    const machine = object.metadata.uid ? object : await this.#planned(MachineKind, object);
    const placed = await this.#resolver.place(machine as Machine);
    const { actuator } = this.#engine;
    const { hosts } = await otherHostsWithDomain({ actuator, resolver: this.#resolver }, placed);
    if (hosts[0] !== undefined) throw domainElsewhere(placed, hosts[0]);
    const { intent, pinned } = await this.#resolver.resolve(placed, await this.#resolver.seed(placed));
    const use = newUse(placed, intent);
    if (use) await this.#hosts.requireUsable(intent.uri, use);
    const image = imageOf(pinned);
    // Networks and pools that the Cluster will make are there by the time the machine needs them.
    const images = image ? [{ ...image, uri: intent.uri }] : [];
    const shared = hostIntent(intent.uri, [placed.site], images);
    const facts = await classified(() => this.#engine.libvirt(intent.uri).facts({ volumesOf: [] }));
    // A member of a set may come after one that has them still, and goes first.
    const mayFollow = controllerOf(placed.machine) !== undefined;
    if (!mayFollow) await refuseTakenAddresses(this.store, placed, intent);
    if (!mayFollow) await refuseSharedMac(this.store, placed, intent);
    await refuseUnusableAddresses(this.#engine.actuator, placed, intent, { mayFollow });
    preflight(intent, placed.spec, factsWith(facts, shared), placed.path);
    const { name: domain, type: domainType } = intent.domain;
    const support = { ...placed, domain, domainType, libvirt: this.#engine.libvirt(intent.uri) };
    await classified(() => requireHostSupport(support));
    return { host: placed.site.name, ...(await actuator.plan(intent)) };
  }

  async #planned(kind: typeof ClusterKind | typeof MachineKind, object: KubeObject): Promise<KubeObject> {
    const planned = await this.store.get<KubeObject>(kind, keyOf(object));
    if (!planned) throw new Error(`the overlay has lost ${object.kind} ${formatKey(keyOf(object))}`);
    return planned;
  }
}
