/** Machines of both APIs as watches show them: of LibvirtMachines what they themselves say, without what owns them. */

import type { LibvirtMachine } from '../../api/infrastructure/libvirt-machine.ts';
import type { Machine } from '../../api/kinds/machine.ts';
import { formatKey } from '../../apimachinery/object-key.ts';
import { isInfrastructure, objectKey } from '../../intent/names.ts';
import type { Informer } from '../../kube/runtime/informer.ts';
import { hostIds, type MachineView } from '../shared/machine-view.ts';
import { asMachine } from './machine-projection.ts';

export function withLibvirtMachines(machines: MachineView, others: Informer<LibvirtMachine>): MachineView {
  others.addIndex('host', hostIds);
  return {
    get: (key) => {
      if (!isInfrastructure(key)) return machines.get(key);
      const one = others.get(objectKey(key));
      return one && asMachine(one);
    },
    list: (namespace) => [...machines.list(namespace), ...others.list(namespace).map(shown)],
    onHost: (id) => [...machines.onHost(id), ...others.byIndex('host', id).map(shown)],
    ofCluster: (cluster) => [
      ...machines.ofCluster(cluster),
      ...others.byIndex('cluster', formatKey(cluster)).map(shown),
    ],
  };
}

function shown(one: LibvirtMachine): Machine {
  return asMachine(one);
}
