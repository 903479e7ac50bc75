/** What the verbs of the actuator are given, and what they tell while they run. */

import type { Synthesizer } from '../../../stacks/synthesizer.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import type { Policy } from '../../intent/policy.ts';
import type { ReservedAddress } from '../../intent/reservations.ts';
import type { HostFacts } from '../../libvirt/host-facts.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { Plan } from '../../terraform/format/plan.ts';
import type { RunEvent } from '../../terraform/run-events.ts';
import type { Terraform } from '../../terraform/terraform.ts';
import type { SourceRelay } from './source-relay.ts';
import type { StateBackends } from './state-home.ts';

export interface ActuatorOptions {
  readonly terraform: Terraform;
  readonly synthesizer: Synthesizer;
  readonly workspaces: StateBackends;
  /** The observer of a host; the same object for the same URI. */
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  /** What manifests may name. */
  readonly policy: Policy;
  /** What the provider gets volumes' content from. */
  readonly relay: SourceRelay;
  /** States are written by nobody but us, or hold Terraform of the manifest's own. */
  readonly trustsStates: boolean;
  /** Version of a Secret as a watch shows it; undefined: it does not know the Secret. Absent: nobody watches any. */
  readonly secretVersion?: ((secret: ObjectKey) => string | undefined) | undefined;
  /** Runs what Terraform does for one machine, under its lock. Default: as it is. */
  readonly whileRunning?: WhileRunning | undefined;
}

export type WhileRunning = <T>(machine: ObjectKey, operation: string, work: () => Promise<T>) => Promise<T>;

export interface VerbOptions {
  readonly onEvent?: (event: ActuatorEvent) => void;
}

/** A stack that is synthesised before it is needed, see `Actuator.presynthesize`. */
export interface EarlyStack {
  readonly intent: MachineIntent;
  readonly config: Promise<object>;
}

export interface UpdateOptions extends VerbOptions {
  /** The stack of this very intent; absent: it is synthesised now. */
  readonly stack?: EarlyStack | undefined;
  /** Nothing of the machine was ever made. Default: that is not known. */
  readonly isFirst?: boolean;
  /** Let the plan replace a domain, and make again a disk that is gone. Default: refused. */
  readonly allowReplace?: boolean;
  /** Let the plan replace the domain if its disks stay. Default: refused. */
  readonly allowRestart?: boolean;
  /** Names of disks that the plan may replace or delete with what is on them, and their domain with them. Default: none. */
  readonly allowReplaceDisks?: readonly string[];
  /** Id of a plan (see plan/report.ts) that counts as allowed. */
  readonly approvedPlan?: string | undefined;
  /** As `allowReplaceDisks`, for the approved plan only. */
  readonly approvedDisks?: readonly string[];
  /** Run no other plan than that. */
  readonly onlyApproved?: boolean;
  /** How long a guest may take to shut down before its domain is replaced. Default 0: powered off at once. */
  readonly shutdownTimeoutMs?: number;
  /** Power a guest that is to be off, or to restart, off at once. Default: it is asked to shut down. */
  readonly powerOff?: boolean;
  /** Shut the guest down before the plan, which then starts it. `onOff`: called when it is off. */
  readonly restart?: { readonly onOff: () => Promise<void> };
  /** Fixed addresses that the machine has had until now: those it no longer asks for are taken back. */
  readonly reservedBefore?: readonly ReservedAddress[] | undefined;
  /** Replace the domain even if the provider says that it could change it in place. */
  readonly replaceDomain?: boolean;
  /** Sees the plan that is about to run, and whether a person approved it. What it throws stops the call. */
  readonly review?: (plan: Plan, isApproved: boolean) => Promise<void>;
  /** Makes on the host what a change needs, once its plan may run. Returns how the host then looks. */
  readonly beforeApply?: () => Promise<HostFacts>;
}

/** What happens while a verb runs, for progress. */
export type ActuatorEvent =
  | RunEvent
  | StateRecovered
  /** A state of which a killed run wrote a part; `place`: where it lies, and stays. */
  | { readonly type: 'state_set_aside'; readonly place: string }
  | { readonly type: 'leftovers_removed'; readonly names: readonly string[] }
  /** Of a base image that is read or transferred, at most every 5 s. */
  | {
      readonly type: 'image_progress';
      readonly volume: string;
      /** An image that is unpacked or converted is read before. */
      readonly doing: 'reading' | 'transferring';
      readonly bytes: number;
      readonly totalBytes: number;
    }
  /** A base image is on its host, whole. */
  | {
      readonly type: 'image_transferred';
      readonly volume: string;
      readonly bytes: number;
      readonly sha256: string;
    }
  /** A disk is larger now; the guest, if it runs, sees that. */
  | { readonly type: 'disk_grown'; readonly disk: string; readonly bytes: number }
  | { readonly type: 'shutdown_requested'; readonly timeoutMs: number }
  | { readonly type: 'shutdown_timeout' };

/** A state that was lost is there again. */
export interface StateRecovered {
  readonly type: 'state_recovered';
  /** URI of the host whose state it is, without a password; absent: the state of a machine. */
  readonly host?: string;
  /** `serial 3`, `import`. */
  readonly from: string;
  /** What had to be brought in one by one. */
  readonly objects: readonly string[];
}
