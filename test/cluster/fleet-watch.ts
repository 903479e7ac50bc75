/** Records every change of a fleet, for checks of what happened in between. */

import { type Machine, MachineKind } from '../../src/api/kinds/machine.ts';
import { isAvailable } from '../../src/controllers/shared/availability.ts';
import { Informer } from '../../src/kube/runtime/informer.ts';
import { KubernetesStore } from '../../src/kube/runtime/kubernetes-store.ts';
import { Libvirt } from '../../src/libvirt/libvirt.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import type { ClusterLab } from './cluster-lab.ts';

/** Every moment of the machines in a lab: as each watch event of the API server, and each event of libvirt, leaves them. */
export class FleetWatch {
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;
  readonly #machines: Informer<Machine>;
  readonly #domains = new Set<string>();
  /** Most Machines, and most domains, that there were at once. */
  most = { machines: 0, domains: 0 };
  /** Fewest Machines that were available at once. */
  fewestAvailable = Number.POSITIVE_INFINITY;
  /** Names of domains as they were made, one after the other; a name twice: it was made twice. */
  made: string[] = [];

  private constructor(lab: ClusterLab) {
    const store = new KubernetesStore(lab.client, { log: silentLogger, metrics: new Metrics() });
    this.#machines = new Informer(store, MachineKind, silentLogger);
    this.#machines.addHandler(() => this.#count());
    const hosts = lab.lab.hosts.map(({ uri }) => this.#watchDomains(new Libvirt({ uri })));
    this.#ended = Promise.all([this.#machines.run(this.#stop.signal), ...hosts]);
  }

  static async start(lab: ClusterLab): Promise<FleetWatch> {
    const watch = new FleetWatch(lab);
    await watch.#machines.whenSynced();
    return watch;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  get machines(): readonly Machine[] {
    return this.#machines.list();
  }

  /** From here on. */
  reset(): void {
    this.most = { machines: 0, domains: this.#domains.size };
    this.fewestAvailable = Number.POSITIVE_INFINITY;
    this.made = [];
    this.#count();
  }

  #count(): void {
    const all = this.#machines.list();
    const available = all.filter((machine) => isAvailable(machine, 0, Date.now())).length;
    this.most.machines = Math.max(this.most.machines, all.length);
    this.fewestAvailable = Math.min(this.fewestAvailable, available);
  }

  async #watchDomains(libvirt: Libvirt): Promise<void> {
    for await (const event of libvirt.events(this.#stop.signal)) {
      if (event.kind !== 'lifecycle') continue;
      if (event.change === 'undefined') this.#domains.delete(event.domain);
      if (event.change !== 'defined' || this.#domains.has(event.domain)) continue;
      this.#domains.add(event.domain);
      this.made.push(event.domain);
      this.most.domains = Math.max(this.most.domains, this.#domains.size);
    }
  }
}
