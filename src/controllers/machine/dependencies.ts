/** Declares what the phases of a Machine's reconcile work with. */

import type { ActuatorEvent } from '../../actuator/context/options.ts';
import type { Actuator } from '../../actuator/machine-actuator.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { MachineIdentity } from '../../intent/names.ts';
import type { DomainObservation } from '../../libvirt/domain.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { Store } from '../../store/store.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { NodeDepartures } from '../node/departures.ts';
import type { Recorder } from '../shared/recorder.ts';
import type { HostResources } from '../shared/shared-hosts.ts';
import type { PeriodicPlans } from './periodic-plans.ts';
import type { MachineRepair } from './repair/repair.ts';
import type { MachineResolver } from './resolver.ts';
import type { PlacedMachine } from './scope/placed-machine.ts';
import type { Guest } from './waits/guest-addresses.ts';

/** What the parts of a Machine's reconcile work with. */
export interface MachineDependencies {
  readonly store: Store;
  readonly actuator: Actuator;
  readonly resolver: MachineResolver;
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  readonly hosts: HostResources;
  readonly recorder: Recorder;
  /** For what has to be known when no object is left that could tell; absent: the recorder's lines are the log. */
  readonly log?: Logger;
  /** Let plans run that replace a domain. */
  readonly allowReplace: boolean;
  /** Let plans run that replace a domain whose disks stay. Absent: as the annotation of the Machine says. */
  readonly allowRestart?: boolean;
  /** Names of disks of a machine that plans may replace or delete with what is on them; absent: of none. */
  readonly allowReplaceDisks?: (key: ObjectKey) => readonly string[];
  /** Power guests off at once, whatever their spec says of shutting down. */
  readonly powerOff: boolean;
  /** Progress of one machine's operation, for people who wait. */
  readonly onProgress?: (key: ObjectKey, event: ActuatorEvent) => void;
  /**
   * The domain as it is known to be; undefined: libvirt has to be asked. Throws TransientError LibvirtUnreachable for a host that is
   * known to be out of reach.
   */
  readonly lastSeen?: (uri: AllowedHost, domain: string) => DomainObservation | undefined;
  /** Called before libvirt is asked about the domain; what it returns wants to know the answer. */
  readonly looking?: (uri: AllowedHost, domain: string) => (found: DomainObservation) => void;
  /**
   * Looks out for the address of a guest, whose Machine is to be reconciled then; undefined: it waits for none. Absent: the
   * reconcile itself is repeated until there is one.
   */
  readonly awaitAddress?: (key: ObjectKey, guest: Guest | undefined) => void;
  /**
   * Leave the wait for an image that another machine is making to whoever knows what is missing, and hold no worker. Absent: the
   * reconcile waits, as for a person.
   */
  readonly defersImages?: boolean;
  /** How drift is repaired when nobody asks; absent: by a command, whose caller wants the machine as specified now. */
  readonly repair?: MachineRepair;
  readonly plans: PeriodicPlans;
  /** Absent: nobody knows of any Nodes. */
  readonly departures?: Pick<NodeDepartures, 'drain' | 'remove'> | undefined;
  /** True if the Terraform state of a machine that was made is known not to hold all of it. */
  readonly hasIncompleteState?: (machine: MachineIdentity) => Promise<boolean>;
  /** Called when nothing of a machine that is being deleted is on its host any more, before its finalizer goes. */
  readonly beforeRelease?: ((machine: ObjectKey) => Promise<void>) | undefined;
}

/** How long a guest may take to shut down; 0: it is powered off. */
export function shutdownTimeoutMs(
  { powerOff }: Pick<MachineDependencies, 'powerOff'>,
  { spec }: PlacedMachine,
): number {
  return powerOff ? 0 : spec.shutdownTimeoutSeconds * 1_000;
}
