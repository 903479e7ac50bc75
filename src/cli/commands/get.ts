/** `caplv get`. Hosts are asked about machines before all that reads and shows their answers is loaded: they take as long. */

import type { Machine } from '../../api/kinds/machine.ts';
import { isCalled, MACHINE } from '../../api/kinds/names.ts';
import type { ResourceKind } from '../../apimachinery/object.ts';
import { configOf } from '../../app/config.ts';
import { prefetchDomains } from '../../controllers/machine/ask-hosts.ts';
import { LibvirtConnections } from '../../libvirt/connections.ts';
import { LocalStore } from '../../store/local-store.ts';
import type { DomainPrefetch, GetFlags } from '../session/get-request.ts';
import { listByName } from '../session/list-by-name.ts';

export async function getCommand(
  kindName: string,
  name: string | undefined,
  flags: GetFlags,
): Promise<number> {
  const isOfHosts = flags.kubeconfig === undefined && isCalled(MACHINE, kindName);
  const isOver = new AbortController();
  try {
    const asked = isOfHosts ? await ask(name, flags, isOver.signal) : undefined;
    const { get } = await import('./get-objects.ts');
    return await get(kindName, name, flags, asked);
  } finally {
    isOver.abort();
  }
}

async function ask(name: string | undefined, flags: GetFlags, signal: AbortSignal): Promise<DomainPrefetch> {
  const { stateDir, namespace, policy } = configOf(flags);
  const store = await LocalStore.open(stateDir);
  const machines = await listByName(
    store,
    MACHINE as ResourceKind<Machine>,
    flags.allNamespaces ? {} : { namespace },
    name,
    // Named with the rest of what is shown.
    () => {},
  );
  const libvirt = new LibvirtConnections().of;
  prefetchDomains(policy, libvirt, machines, { signal });
  return { libvirt, machines };
}
