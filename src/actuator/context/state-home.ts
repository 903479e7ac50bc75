/** Where Terraform runs for each machine and each host, and where it keeps their states. */

import { join } from 'node:path';
import type { BackendIntent } from '../../../stacks/intent.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { StateHistory } from '../../terraform/state-history.ts';
import type { Workspace } from '../../terraform/workspace.ts';
import type { LockWait } from './stale-leases.ts';

/** Two kinds: directories of one machine (state/local.ts), and Secrets of a cluster (state/kubernetes.ts). */
export interface StateBackends {
  /** `uid`: of the Machine; a state that is made new is owned by it. */
  machine(machine: ObjectKey & { readonly uid?: string }): StateHandle;
  /** Of the networks and pools of a host. */
  host(uri: AllowedHost): Promise<StateHandle>;
  /** Of one base image on that host. */
  image(uri: AllowedHost, image: { readonly pool: string; readonly volume: string }): StateHandle;
  /** All base images of a host of which there are states, or notes. */
  images(uri: AllowedHost): Promise<StateHandle[]>;
  /** All states of machines that there are; `version` changes with the state. */
  machineStates(): Promise<MachineState[]>;
}

export interface MachineState {
  readonly key: ObjectKey;
  readonly version: string;
}

/** A place to run Terraform in, and what a stack must say to keep its state there. */
export interface StateHandle {
  readonly workspace: Workspace;
  readonly backend: BackendIntent;
  /** Where the state lies, for people. */
  readonly place: string;
  /** The Secret in which it lies; absent: it is a file. */
  readonly secret?: ObjectKey;
  /** What is to be remembered beside the state, for as long as that exists. */
  readonly notes: Notes;
  readonly history: StateHistory;
  /** False: neither a state nor a note was ever made here. */
  exists(): Promise<boolean>;
  /**
   * Makes the place ready for a run, and waits for whoever works on the state elsewhere. Call it under the lock of the workspace.
   * `isNew`: mostly nothing was ever made here; `isFirst`: certainly. Throws StateLockedError (TransientError).
   */
  prepare(
    options: LockWait & { readonly isNew?: boolean | undefined; readonly isFirst?: boolean | undefined },
  ): Promise<void>;
  /** Runs `work`, which finds state and notes as they are at one time: what it reads of them is read once. It must change neither. */
  readOnce<T>(work: () => Promise<T>): Promise<T>;
  /** Ends what `prepare` began, with the lock of the workspace. */
  release(): void;
  /** Puts a state that Terraform cannot read where it is in nobody's way, and not lost. */
  setCorruptAside(): Promise<void>;
  /** Removes what is left of a workspace whose resources are all destroyed. */
  discard(): Promise<void>;
}

/** How a host was written elsewhere than in its one text: see HostList. */
export type SpellingsOf = (host: AllowedHost) => readonly string[];

/** Finds the home in which something was kept already: its own, else that of an earlier spelling of the same host. */
export async function firstUsed(own: StateHandle, earlier: readonly StateHandle[]): Promise<StateHandle> {
  if (earlier.length === 0) return own;
  for (const home of [own, ...earlier]) {
    if ((await home.exists()) || (await home.history.list()).length > 0) return home;
  }
  return own;
}

/** Short texts without secrets, by name. */
export interface Notes {
  read(name: string): Promise<string | undefined>;
  write(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Writes several at once, and removes those without a text. */
  update(texts: Readonly<Record<string, string | undefined>>): Promise<void>;
}

/** Where the seed of a machine lies while Terraform uploads it. */
export function seedDirectory({ workspace }: StateHandle): string {
  return join(workspace.dir, 'seed');
}
