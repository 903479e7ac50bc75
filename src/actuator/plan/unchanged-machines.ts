/**
 * Knows of which machines a plan would say "no changes" again. A plan is a function of configuration, state, the programs and what the
 * provider reads. So where a plan has said it, and all of these are the same, byte by byte, it need not be made again. Whatever
 * differs, cannot be read or is not known leads to a plan.
 */

import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { parseState } from '../../terraform/format/state.ts';
import type { EncodedResource } from '../../terraform/provider/protocol/plugin-client.ts';
import { priorResources } from '../../terraform/verify/prior-resources.ts';
import { digestOf, type Reading } from '../../terraform/verify/resource-reader.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { StateHandle } from '../context/state-home.ts';
import type { StateSession } from '../context/state-session.ts';
import { refuseForeignState } from '../state/ownership.ts';
import type { PlanPreview } from './preview.ts';

/**
 * Why a machine has to be planned. `first`: this process has no plan without changes of it. `excluded`: it has Terraform of its
 * manifest's own, or Ignition, or there is no warm provider. `changed`: configuration, state or a program. `differs`: what the
 * provider reads. `failed`: it could not be read.
 */
export type PlanReason = 'first' | 'excluded' | 'changed' | 'differs' | 'failed';

/** What a plan without changes was made of. */
interface Baseline extends Reading {
  readonly configuration: string;
  readonly state: string;
  readonly resources: readonly EncodedResource[];
  /** Of the Secret with that state; undefined: nobody watches it. */
  version: string | undefined;
}

/** About 4 KiB each. Beyond it machines are planned, as all were without this. */
const MOST_BASELINES = 20_000;

export class UnchangedMachines {
  readonly #options: ActuatorOptions;
  /** By the place of the state. Kept in this process only: what another has seen is not believed. */
  readonly #baselines = new Map<string, Baseline>();

  constructor(options: ActuatorOptions) {
    this.#options = options;
  }

  /** Call it before anything is done to the machine or its state. */
  forget({ place }: Pick<StateHandle, 'place'>): void {
    this.#baselines.delete(place);
  }

  /** Says why the machine has to be planned; undefined: a plan would say "no changes". */
  async reasonToPlan(home: StateHandle, intent: MachineIntent): Promise<PlanReason | undefined> {
    if (!this.#canRead(intent)) return 'excluded';
    const baseline = this.#baselines.get(home.place);
    if (!baseline) return 'first';
    if (baseline.configuration !== configurationOf(home, intent)) return 'changed';
    try {
      const version = this.#versionOf(home);
      if (!(await this.#isSameState(home, baseline, version))) return 'changed';
      const now = await this.#options.terraform.resources.read(intent.uri, baseline.resources);
      if (now.programs !== baseline.programs || this.#versionOf(home) !== version) return 'changed';
      return now.answers === baseline.answers ? undefined : 'differs';
    } catch {
      // The plan finds out, and says it.
      return 'failed';
    }
  }

  /** Runs `plan` in a session of the machine's state, and remembers what it was made of if it says "no changes". */
  async observed(
    session: StateSession,
    intent: MachineIntent,
    plan: () => Promise<PlanPreview>,
  ): Promise<PlanPreview> {
    const before = await this.#read(session, intent);
    const preview = await plan();
    if (!before || preview.plan.action !== 'none' || preview.recovered) return preview;
    const after = await this.#read(session, intent);
    const isSame =
      after?.state === before.state && after.programs === before.programs && after.answers === before.answers;
    if (isSame) this.#keep(session.home, before);
    return preview;
  }

  /** Of what cannot be read nothing is remembered. A state that names what is not the machine's is not given to the provider. */
  async #read({ home, terraform }: StateSession, intent: MachineIntent): Promise<Baseline | undefined> {
    if (!this.#canRead(intent)) return undefined;
    try {
      // Asked before the state: it is not newer than that.
      const version = this.#versionOf(home);
      const text = await terraform.stateText();
      await refuseForeignState(this.#options, intent, parseState(text));
      const prior = priorResources(text);
      if (!prior) return undefined;
      const resources = await this.#options.terraform.resources.encode(intent.uri, prior);
      const reading = await this.#options.terraform.resources.read(intent.uri, resources);
      const configuration = configurationOf(home, intent);
      return { ...reading, configuration, state: digestOf([text]), resources, version };
    } catch {
      return undefined;
    }
  }

  #keep({ place }: StateHandle, baseline: Baseline): void {
    this.#baselines.delete(place);
    this.#baselines.set(place, baseline);
    if (this.#baselines.size <= MOST_BASELINES) return;
    const [oldest] = this.#baselines.keys();
    if (oldest !== undefined) this.#baselines.delete(oldest);
  }

  /** Reads the state only if its Secret is not the one that was read then. */
  async #isSameState(home: StateHandle, baseline: Baseline, version: string | undefined): Promise<boolean> {
    if (version !== undefined && version === baseline.version) return true;
    const text = await this.#options.terraform.stateText(home.workspace);
    if (digestOf([text]) !== baseline.state) return false;
    baseline.version = version;
    return true;
  }

  #versionOf({ secret }: StateHandle): string | undefined {
    return secret && this.#options.secretVersion?.(secret);
  }

  #canRead({ terraform, seed }: MachineIntent): boolean {
    return (
      terraform === undefined && seed?.kind !== 'ignition' && this.#options.terraform.resources.isAvailable
    );
  }
}

/** The stack is made of these alone, by this very process: the same give the same bytes. */
function configurationOf({ backend }: StateHandle, intent: MachineIntent): string {
  return digestOf([JSON.stringify(backend), JSON.stringify(intent)]);
}
