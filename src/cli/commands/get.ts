/** `caplv get`. Hosts are asked about machines before all that reads and shows their answers is loaded: they take as long. */

import type { Machine } from '../../api/kinds/machine.ts';
import { isCalled, MACHINE } from '../../api/kinds/names.ts';
import type { ResourceKind } from '../../apimachinery/object.ts';
import { configOf } from '../../app/config.ts';
import { askHosts } from '../../controllers/machine/ask-hosts.ts';
import { Observers } from '../../libvirt/connections.ts';
import { LocalStore } from '../../store/local-store.ts';
import type { AskedHosts, GetFlags } from '../session/get-request.ts';
import { selected } from '../session/list-by-name.ts';

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

async function ask(name: string | undefined, flags: GetFlags, signal: AbortSignal): Promise<AskedHosts> {
  const { stateDir, namespace, policy } = configOf(flags);
  const store = await LocalStore.open(stateDir);
  const machines = await selected(
    store,
    MACHINE as ResourceKind<Machine>,
    flags.allNamespaces ? {} : { namespace },
    name,
  );
  const libvirt = new Observers().of;
  askHosts(policy, libvirt, machines, { signal });
  return { libvirt, machines };
}
