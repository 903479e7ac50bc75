/** `caplv stop`, `start` and `reboot`: what a person wants of the power of a machine, kept as an annotation until it is taken back. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import { type Machine, MachineKind, storedMachineSpec } from '../../api/kinds/machine.ts';
import { isPaused } from '../../api/schema/paused.ts';
import {
  powerRequestValue,
  REBOOT_ANNOTATION,
  STOPPED_ANNOTATION,
  stopRequest,
} from '../../api/schema/power.ts';
import { findCondition, isConditionTrue } from '../../apimachinery/conditions.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import { isInfrastructure, objectName } from '../../intent/names.ts';
import { parseWait } from '../../system/duration.ts';
import { changeObject } from '../objects/change-object.ts';
import { reportError } from '../output/errors.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { machineKey, machineNotFound, machineSubject } from '../session/machine-name.ts';
import { waitOf } from '../session/manifests.ts';
import { type Session, withSession } from '../session/session.ts';

export interface PowerFlags extends ClusterFlags {
  /** Power the guest off in place of asking it to shut down. */
  readonly force?: boolean;
  /** Until the machine has an address; `true`: the flag without a duration. */
  readonly wait?: string | true;
  readonly timeout?: string;
}

type Seen = Pick<Machine, 'metadata' | 'status'>;

/** What a command writes and waits for. */
interface PowerChange {
  /** Value by annotation; undefined: the annotation goes. */
  readonly annotations: Readonly<Record<string, string | undefined>>;
  readonly isDone: (machine: Seen) => boolean;
}

interface Verb {
  /** Refuses, or says what is to be done. Undefined: nothing is. */
  readonly change: (machine: Machine, subject: string) => PowerChange | undefined;
  readonly done: string;
}

const DEFAULT_TIMEOUT_MS = 10 * 60_000;

export function stop(names: readonly string[], flags: PowerFlags): Promise<number> {
  const annotations = { [STOPPED_ANNOTATION]: newRequest(flags) };
  const change = (machine: Machine) => {
    // One that asks for less than the one that is there is no news.
    const isAsked = stopRequest(machine) !== undefined && !flags.force;
    return { annotations: isAsked ? {} : annotations, isDone: isStopped };
  };
  return each(names, flags, { change, done: 'stopped' });
}

export function start(names: readonly string[], flags: PowerFlags): Promise<number> {
  const change = (machine: Machine, subject: string) => {
    if (stopRequest(machine))
      return { annotations: { [STOPPED_ANNOTATION]: undefined }, isDone: ready(flags, isStarted) };
    requireRunning(machine, subject);
    const state = machine.status?.providerStatus?.instanceState ?? 'absent';
    if (state === 'paused') throw pausedGuest(machine, subject);
    // It stopped by itself, and spec.repair may say that it stays so: this start is asked for.
    if (OFF.has(state)) return restart(flags);
    return flags.wait === undefined ? undefined : { annotations: {}, isDone: ready(flags, isStarted) };
  };
  return each(names, flags, { change, done: 'started' });
}

export function reboot(names: readonly string[], flags: PowerFlags): Promise<number> {
  const change = (machine: Machine, subject: string) => {
    if (stopRequest(machine)) {
      const message = `${subject} is stopped on purpose, and so does not restart`;
      throw new TerminalError({
        code: 'InvalidConfiguration',
        message,
        fix: `caplv start ${names.join(' ')}`,
      });
    }
    requireRunning(machine, subject);
    return restart(flags);
  };
  return each(names, flags, { change, done: 'restarted' });
}

function restart(flags: PowerFlags): PowerChange {
  const value = newRequest(flags);
  const isDone = ({ status }: Seen) => {
    const { request, state } = status?.providerStatus?.reboot ?? {};
    return request === value && state === 'Done';
  };
  return { annotations: { [REBOOT_ANNOTATION]: value }, isDone: ready(flags, isDone) };
}

async function each(names: readonly string[], flags: PowerFlags, verb: Verb): Promise<number> {
  const waitMs = waitOf(flags);
  const timeoutMs =
    flags.timeout === undefined ? (waitMs ?? DEFAULT_TIMEOUT_MS) : parseWait(flags.timeout, '--timeout');
  return withSession(flags, async (session) => {
    const keys = names.map((name) => machineKey(session.config.namespace, name));
    const codes = await Promise.all(keys.map((key) => one(session, key, verb, timeoutMs)));
    return Math.max(EXIT.ok, ...codes);
  });
}

async function one(session: Session, key: ObjectKey, verb: Verb, timeoutMs: number): Promise<number> {
  const subject = machineSubject(key);
  try {
    const machine = await observed(session, key);
    const change = verb.change(machine, subject);
    if (change === undefined) {
      session.terminal.out(`${subject} is running`);
      return EXIT.ok;
    }
    await annotate(session, key, change.annotations);
    const what = `was not ${verb.done}`;
    await session.awaitMachine(key, { isDone: change.isDone, timeoutMs, what });
    session.terminal.out(`${subject} ${verb.done}`);
    return EXIT.ok;
  } catch (error) {
    reportError(session.terminal, error, subject);
    return exitCodeOf(error);
  }
}

/** The machine as its host shows it now. Refuses one that nothing is done about. */
async function observed(session: Session, key: ObjectKey): Promise<Machine> {
  const stored = await session.bothApis.get(MachineKind, key);
  if (stored) await session.refresh([stored]);
  const machine = stored && (await session.bothApis.get(MachineKind, key));
  if (!machine) throw machineNotFound(key);
  const subject = machineSubject(key);
  if (machine.metadata.deletionTimestamp)
    throw new TerminalError({
      code: 'Conflict',
      message: `${subject} is being deleted`,
      fix: 'nothing to do',
    });
  if (!isPaused(machine)) return machine;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `${subject} is paused: no work is done on it`,
    fix: 'remove the annotation cluster-api.k8s.io/paused first (of a LibvirtMachine cluster.x-k8s.io/paused, or spec.paused of its Cluster)',
  });
}

/** States of a domain that does not run, as its status has them. */
const OFF: ReadonlySet<string> = new Set(['shutoff', 'crashed', 'absent']);

function pausedGuest({ status }: Machine, subject: string): TerminalError {
  return new TerminalError({
    code: 'InvalidConfiguration',
    message: `the guest of ${subject} is paused, which is for a person to look at`,
    fix: `virsh resume ${status?.providerStatus?.domainName ?? 'DOMAIN'}, or caplv reboot with --force`,
  });
}

/** Throws TerminalError for a machine whose specification keeps it off. */
function requireRunning(machine: Machine, subject: string): void {
  if (storedMachineSpec(machine).running) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path: 'spec.providerSpec.running',
    message: `${subject} does not run because its specification says running: false`,
    fix: 'set running: true in its manifest and apply it',
  });
}

/** Writes annotations beside those of others, whose manifests do not take them away. */
async function annotate(
  { store }: Session,
  key: ObjectKey,
  annotations: PowerChange['annotations'],
): Promise<void> {
  if (Object.keys(annotations).length === 0) return;
  const kind = (
    isInfrastructure(key) ? (await import('../session/infrastructure.ts')).machineKind() : MachineKind
  ) as ApiKind;
  const withAnnotations = (object: KubeObject): KubeObject => {
    const all = Object.entries({ ...object.metadata.annotations, ...annotations });
    const kept = all.filter((entry): entry is [string, string] => entry[1] !== undefined);
    return { ...object, metadata: { ...object.metadata, annotations: Object.fromEntries(kept) } };
  };
  await changeObject(store, kind, { ...key, name: objectName(key) }, withAnnotations, 'caplv-power');
}

function newRequest({ force = false }: PowerFlags): string {
  return powerRequestValue(new Date().toISOString(), force);
}

function ready({ wait }: PowerFlags, isDone: (machine: Seen) => boolean): (machine: Seen) => boolean {
  return (machine) => isDone(machine) && (wait === undefined || isConditionTrue(machine, 'Ready'));
}

function isStopped(machine: Seen): boolean {
  const isOff = machine.status?.providerStatus?.instanceState === 'shutoff';
  return isOff && isAsSpecified(machine) && findCondition(machine, 'AddressesReady')?.reason === 'Stopped';
}

function isStarted(machine: Seen): boolean {
  const isOn = machine.status?.providerStatus?.instanceState === 'running';
  return isOn && isAsSpecified(machine) && findCondition(machine, 'AddressesReady')?.reason !== 'Stopped';
}

function isAsSpecified(machine: Seen): boolean {
  return isConditionTrue(machine, 'DomainReady');
}
