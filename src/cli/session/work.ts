/** What commands have done about objects, wherever these live. */

import type { Machine } from '../../api/kinds/machine.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import type { EngineOptions } from '../../app/engine.ts';
import type { Target } from './delete-targets.ts';

/** What is done about objects, by the command itself or by a controller that it waits for. */
export interface Work {
  /** How many objects are worked on, or waited for, at once. */
  readonly atOnce: number;
  /** What a person must know before objects of these kinds are worked on. */
  notice(objects: readonly KubeObject[]): string | undefined;
  /** What a person may do next with these Machines. */
  next(machines: readonly string[]): string | undefined;
  /** Makes of an object what it says. `waitMs`: for how long it is waited until it is ready; undefined: it is not. */
  realize(object: KubeObject, waitMs: number | undefined): Promise<void>;
  /** What is being deleted, in groups of which one is awaited after the other. */
  deletionGroups(targets: readonly Target[]): readonly (readonly Target[])[];
  /** Resolves when the object is gone, and all of its from the hosts. */
  awaitDeletion(target: Target, timeoutMs: number): Promise<void>;
  /** Resolves when a machine of which something was asked is as `isDone` says. `key`: see `machineKey`. */
  awaitMachine(key: ObjectKey, options: MachineAwait): Promise<void>;
  /** Brings the status of machines up to date where no controller does. */
  refresh(machines: readonly Machine[]): Promise<void>;
}

export interface MachineAwait {
  readonly isDone: (machine: Pick<Machine, 'metadata' | 'status'>) => boolean;
  readonly timeoutMs: number;
  /** What was waited for, after the name: `was not stopped`. */
  readonly what: string;
}

/** Flags that only the local store takes: a controller in a cluster takes none of a command. */
export type SessionOptions = Pick<
  EngineOptions,
  'allowReplace' | 'allowRestart' | 'allowReplaceDisks' | 'now' | 'libvirt'
>;
