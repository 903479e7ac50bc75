/** Watches IPAddressClaims and IPAddresses for the machines that they are for. Their kinds may come after the start of the process. */

import { IPAddressClaimKind, IPAddressKind } from '../../api/infrastructure/ipam.ts';
import { LibvirtMachineKind } from '../../api/infrastructure/libvirt-machine.ts';
import type { KubeObject, ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { controllerKeys } from '../../apimachinery/owner-reference.ts';
import { infrastructureKey } from '../../intent/names.ts';
import type { Controller } from '../../kube/runtime/controller.ts';
import { type Change, Informer } from '../../kube/runtime/informer.ts';
import type { Manager } from '../../kube/runtime/manager.ts';
import type { Store } from '../../store/store.ts';
import { type WatchWhenServedOptions, watchWhenServed } from './watch-when-served.ts';

export interface ClaimWatch {
  readonly informers: readonly Pick<Informer, 'kind'>[];
  /** Has the machines reconciled whose claims or addresses change. */
  readonly watch: (controller: Controller) => void;
}

export function setupClaims(
  manager: Manager,
  { log, serves, liveStore }: Omit<WatchWhenServedOptions, 'message'> & { readonly liveStore: Store },
): ClaimWatch {
  const claims = new Informer(liveStore, IPAddressClaimKind, log);
  const addresses = new Informer(liveStore, IPAddressKind, log);
  const options = { log, serves, message: 'Watching claims of addresses' };
  manager.add({
    name: 'address-claims',
    run: (signal) => watchWhenServed([claims, addresses] as never, options, signal),
  });
  return {
    informers: [claims, addresses] as readonly Pick<Informer, 'kind'>[],
    watch: (controller) => {
      // What a machine waits for is there, or what it has is in danger.
      const isDesired = ({ type }: Pick<Change<KubeObject>, 'type'>) => type !== 'RESYNC';
      controller.watch(claims, { isDesired, keys: machinesOfClaim }).watch(addresses, {
        isDesired,
        keys: ({ metadata: { namespace = '' }, spec }) => {
          const claim = claims.get({ namespace, name: spec.claimRef?.name ?? '' });
          return claim ? machinesOfClaim(claim) : [];
        },
      });
    },
  };
}

function machinesOfClaim(claim: KubeObject): ObjectKey[] {
  return controllerKeys(LibvirtMachineKind as ResourceKind)(claim).map(infrastructureKey);
}
