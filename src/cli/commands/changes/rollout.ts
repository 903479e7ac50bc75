/** `caplv rollout`: shows and steers how a MachineDeployment replaces its machines. */

import { type MachineDeployment, MachineDeploymentKind } from '../../../api/kinds/machine-deployment.ts';
import { type MachineSet, MachineSetKind } from '../../../api/kinds/machine-set.ts';
import { redact } from '../../../api/manifest/redact.ts';
import { isControlledBy } from '../../../apimachinery/owner-reference.ts';
import { byRevision, revisionOf, withoutHash } from '../../../controllers/machine-deployment/revision.ts';
import { rolledBack } from '../../../controllers/machine-deployment/rollback.ts';
import { TerminalError } from '../../../errors.ts';
import { formatDuration } from '../../../system/duration.ts';
import { parseObjectArguments } from '../../names/object-arguments.ts';
import { changeObject } from '../../objects/change-object.ts';
import { EXIT } from '../../output/exit-code.ts';
import { formatData } from '../../output/serialize.ts';
import { formatTable } from '../../output/table.ts';
import type { ClusterFlags } from '../../session/cluster-session.ts';
import { notFound, requireKinds } from '../../session/errors.ts';
import { type Session, withSession } from '../../session/session.ts';

export interface RevisionFlags extends ClusterFlags {
  readonly revision?: string;
  readonly toRevision?: string;
  readonly output?: 'json' | 'yaml';
}

/** On the template: when all machines were last to be replaced. */
export const RESTARTED_ANNOTATION = 'cluster-api.k8s.io/restarted-at';

/** Stops replacing machines. Throws TerminalError for one that is paused. */
export function pause(words: readonly string[], flags: ClusterFlags): Promise<number> {
  return changeEach(words, flags, 'paused', async () => (before) => withPaused(before, true));
}

export function resume(words: readonly string[], flags: ClusterFlags): Promise<number> {
  return changeEach(words, flags, 'resumed', async () => (before) => withPaused(before, false));
}

/** Replaces all machines, one after the other, by new ones of the same template. */
export function restart(words: readonly string[], flags: ClusterFlags): Promise<number> {
  const now = new Date().toISOString();
  return changeEach(words, flags, 'restarted', async () => (before) => restarted(before, now));
}

/** Goes back to the template of an earlier revision. */
export async function undo(words: readonly string[], flags: RevisionFlags): Promise<number> {
  const revision = revisionNumber(flags.toRevision ?? '0', '--to-revision');
  return changeEach(words, flags, 'rolled back', async (session, name) => {
    const deployment = await deploymentNamed(session, name);
    const sets = await setsOf(session, deployment);
    return (before) => undone(before, sets, revision);
  });
}

/** Lists the revisions that are kept, or shows the template of one. */
export async function history(words: readonly string[], flags: RevisionFlags): Promise<number> {
  const wanted = flags.revision === undefined ? undefined : revisionNumber(flags.revision, '--revision');
  const names = await namesOf(words, flags);
  return withSession(flags, async (session) => {
    const { terminal } = session;
    for (const name of names) {
      const deployment = await deploymentNamed(session, name);
      const sets = (await setsOf(session, deployment)).toSorted(byRevision);
      if (wanted !== undefined) {
        const set = sets.find((one) => revisionOf(one) === wanted);
        if (!set) throw noRevision(deployment, sets, wanted);
        const shown = redact(set, MachineSetKind) as MachineSet;
        terminal.out(formatData(withoutHash(shown.spec.template), flags.output ?? 'yaml'));
      } else if (flags.output) {
        terminal.out(formatData(sets.map(revisionData), flags.output));
      } else {
        if (names.length > 1) terminal.out(`machinedeployment/${name}`);
        const rows = sets.map(({ metadata, spec, status }) => [
          String(revisionOf({ metadata } as MachineSet)),
          metadata.name,
          `${status?.replicas ?? 0}/${spec.replicas ?? 0}`,
          metadata.creationTimestamp
            ? formatDuration(Date.now() - Date.parse(metadata.creationTimestamp))
            : '',
        ]);
        terminal.out(formatTable(['REVISION', 'MACHINESET', 'MACHINES', 'AGE'], rows));
      }
    }
    return EXIT.ok;
  });
}

function revisionData(set: MachineSet): object {
  const { metadata, spec, status } = set;
  return {
    revision: revisionOf(set),
    machineSet: metadata.name,
    machines: status?.replicas ?? 0,
    replicas: spec.replicas,
    createdAt: metadata.creationTimestamp,
  };
}

type Change = (before: MachineDeployment) => MachineDeployment | undefined;

async function changeEach(
  words: readonly string[],
  flags: ClusterFlags,
  done: string,
  changeOf: (session: Session, name: string) => Promise<Change>,
): Promise<number> {
  const names = await namesOf(words, flags);
  return withSession(flags, async (session) => {
    const { store, terminal, config } = session;
    const changed: MachineDeployment[] = [];
    for (const name of names) {
      const change = await changeOf(session, name);
      const key = { namespace: config.namespace, name };
      const { object, isChanged } = await changeObject(store, MachineDeploymentKind, key, change);
      terminal.out(`machinedeployment/${name} ${isChanged ? done : 'unchanged'}`);
      changed.push(object);
    }
    const notice = session.notice(changed);
    if (notice !== undefined) terminal.say(notice);
    return EXIT.ok;
  });
}

/** Names of the MachineDeployments that a command is about. Throws TerminalError InvalidConfiguration for other kinds. */
export async function namesOf(words: readonly string[], { kubeconfig }: ClusterFlags): Promise<string[]> {
  const wanted = await requireKinds(parseObjectArguments(words), kubeconfig);
  for (const { kind, names } of wanted) {
    if (kind.kind === MachineDeploymentKind.kind && names.length > 0) continue;
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: names.length > 0 ? `a ${kind.kind} has no rollouts` : 'rollout takes names',
      fix: 'name MachineDeployments, for example machinedeployment/workers',
    });
  }
  return wanted.flatMap(({ names }) => names);
}

async function deploymentNamed({ store, config }: Session, name: string): Promise<MachineDeployment> {
  const { namespace } = config;
  const deployment = await store.get(MachineDeploymentKind, { namespace, name });
  if (!deployment) throw notFound(MachineDeploymentKind, name, namespace);
  return deployment;
}

async function setsOf({ store, config }: Session, deployment: MachineDeployment): Promise<MachineSet[]> {
  const { namespace } = config;
  return (await store.list(MachineSetKind, { namespace })).filter((set) => isControlledBy(set, deployment));
}

/** Throws TerminalError InvalidConfiguration if it is so already, as kubectl does: most likely another one was meant. */
export function withPaused(deployment: MachineDeployment, paused: boolean): MachineDeployment {
  const { spec, metadata } = deployment;
  if ((spec.paused ?? false) !== paused) return { ...deployment, spec: { ...spec, paused } };
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `MachineDeployment ${metadata.name} is ${paused ? 'paused already' : 'not paused'}`,
    fix: `see it: caplv rollout status machinedeployment/${metadata.name}`,
  });
}

/** `now`: RFC 3339. */
export function restarted(deployment: MachineDeployment, now: string): MachineDeployment {
  const { spec } = deployment;
  requireNotPaused(deployment, 'restarted');
  const { metadata } = spec.template;
  const annotations = { ...metadata?.annotations, [RESTARTED_ANNOTATION]: now };
  return {
    ...deployment,
    spec: { ...spec, template: { ...spec.template, metadata: { ...metadata, annotations } } },
  };
}

/** `sets`: all of the deployment; `revision`: 0 for the one before. */
export function undone(
  deployment: MachineDeployment,
  sets: readonly MachineSet[],
  revision: number,
): MachineDeployment {
  requireNotPaused(deployment, 'rolled back');
  const target = rolledBack(deployment, sets, revision);
  if (!target) throw noRevision(deployment, sets, revision);
  return target;
}

function requireNotPaused({ spec, metadata }: MachineDeployment, done: string): void {
  if (!spec.paused) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `MachineDeployment ${metadata.name} is paused, and cannot be ${done}`,
    fix: `first: caplv rollout resume machinedeployment/${metadata.name}`,
  });
}

function noRevision(
  { metadata }: MachineDeployment,
  sets: readonly MachineSet[],
  revision: number,
): TerminalError {
  const known = sets.map(revisionOf).sort((a, b) => a - b);
  return new TerminalError({
    code: 'NotFound',
    message:
      revision === 0
        ? `MachineDeployment ${metadata.name} has no revision before the current one`
        : `MachineDeployment ${metadata.name} has no revision ${revision}; it has ${known.join(', ') || 'none'}`,
    fix: `see them: caplv rollout history machinedeployment/${metadata.name}; spec.revisionHistoryLimit says how many are kept`,
  });
}

function revisionNumber(text: string, path: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path,
    message: `"${text}" is no revision`,
    fix: 'use a number that caplv rollout history lists',
  });
}
