/** Says on a LibvirtMachineTemplate what its machines have, for an autoscaler that scales from zero. */

import { isDeepStrictEqual } from 'node:util';
import {
  type LibvirtMachineTemplate,
  LibvirtMachineTemplateKind,
} from '../../api/infrastructure/libvirt-machine.ts';
import { memoryMiB } from '../../api/kinds/machine-provider-spec.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { Result } from '../../kube/runtime/controller.ts';
import type { Store } from '../../store/store.ts';
import { FIELD_MANAGER } from '../machine/scope/scope.ts';
import { isServed } from './machine-reconciler.ts';

export interface TemplateReconcilerOptions {
  readonly store: Pick<Store, 'get' | 'applyStatus'>;
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
    const status = { ...template.status, capacity: capacityOf(template) };
    if (isDeepStrictEqual(status, template.status)) return {};
    await store.applyStatus(LibvirtMachineTemplateKind, key, status, {
      fieldManager: FIELD_MANAGER,
      before: template.status,
    });
    return {};
  }
}

/** Quantities as Kubernetes writes them: `{ cpu: '2', memory: '2048Mi' }`. */
export function capacityOf({ spec }: Pick<LibvirtMachineTemplate, 'spec'>): Record<string, string> {
  const { vcpu } = spec.template.spec;
  return { cpu: String(vcpu), memory: `${memoryMiB(spec.template.spec)}Mi` };
}
