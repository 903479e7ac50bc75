/** Says on a LibvirtMachineTemplate what its machines have and are, for an autoscaler that scales from zero. */

import { isDeepStrictEqual } from 'node:util';
import {
  type LibvirtMachineTemplate,
  LibvirtMachineTemplateKind,
} from '../../api/infrastructure/libvirt-machine.ts';
import { memoryMiB } from '../../api/kinds/machine-provider-spec.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';
import type { Store } from '../../store/store.ts';
import { FIELD_MANAGER } from '../machine/scope/scope.ts';
import { isServed } from './machine-reconciler.ts';
import { type NodeInfo, namedArch, nodeInfoOf, possibleHosts } from './node-info.ts';
import { infrastructureOf, ownerOfCluster } from './owners.ts';

/** A host that did not answer is asked again after this. */
const ASK_AGAIN_MS = 60_000;

export interface TemplateReconcilerOptions {
  readonly store: Pick<Store, 'get' | 'applyStatus'>;
  /** Of the kinds of the current Cluster API. */
  readonly infrastructure: Pick<Store, 'get'>;
  /** The libvirt URI of clusters that name no host. */
  readonly defaultHost: string;
  /** Asks a host what it is, as libvirt names it: `x86_64`. Undefined: the host is none that may be asked. Throws LibvirtError. */
  readonly archOf: (uri: string) => Promise<string | undefined>;
  /** See LibvirtMachineReconcilerOptions. */
  readonly watchFilter: string | undefined;
}

export class LibvirtMachineTemplateReconciler {
  readonly #options: TemplateReconcilerOptions;

  constructor(options: TemplateReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(key: ObjectKey): Promise<Result> {
    const { store, watchFilter } = this.#options;
    const template = await store.get(LibvirtMachineTemplateKind, key);
    if (!template || template.metadata.deletionTimestamp || !isServed(template, watchFilter)) return {};
    const found = await this.#nodeInfo(template);
    // What is known of a host does not change while it is silent.
    const nodeInfo = found ?? template.status?.nodeInfo ?? nodeInfoOf([]);
    const status = { ...template.status, capacity: capacityOf(template), nodeInfo };
    if (!isDeepStrictEqual(status, template.status))
      await store.applyStatus(LibvirtMachineTemplateKind, key, status, {
        fieldManager: FIELD_MANAGER,
        before: template.status,
      });
    return found ? {} : { requeueAfterMs: ASK_AGAIN_MS };
  }

  /** Undefined: a host does not answer. */
  async #nodeInfo(template: LibvirtMachineTemplate): Promise<NodeInfo | undefined> {
    const { infrastructure: store, defaultHost, archOf } = this.#options;
    const named = namedArch(template);
    if (named !== undefined) return nodeInfoOf([named]);
    const cluster = await ownerOfCluster(store, template);
    const infrastructure = cluster && (await infrastructureOf(store, cluster));
    try {
      return nodeInfoOf(
        await Promise.all(possibleHosts(template, infrastructure, defaultHost).map((uri) => archOf(uri))),
      );
    } catch (error) {
      if (error instanceof LibvirtError) return undefined;
      throw error;
    }
  }
}

/** Quantities as Kubernetes writes them: `{ cpu: '2', memory: '2048Mi' }`. */
export function capacityOf({ spec }: Pick<LibvirtMachineTemplate, 'spec'>): Record<string, string> {
  const { vcpu } = spec.template.spec;
  return { cpu: String(vcpu), memory: `${memoryMiB(spec.template.spec)}Mi` };
}
