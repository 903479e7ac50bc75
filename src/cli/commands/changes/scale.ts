/** `caplv scale`: how many machines a MachineSet or MachineDeployment has. */

import type { ApiKind } from '../../../api/kinds/kind.ts';
import type { KubeObject } from '../../../apimachinery/object.ts';
import { controllerOf } from '../../../apimachinery/owner-reference.ts';
import { TerminalError } from '../../../errors.ts';
import { parseObjectArguments } from '../../names/object-arguments.ts';
import { changeObject } from '../../objects/change-object.ts';
import { EXIT } from '../../output/exit-code.ts';
import type { ClusterFlags } from '../../session/cluster-session.ts';
import { requireKinds } from '../../session/errors.ts';
import { waitOf } from '../../session/manifests.ts';
import { withSession } from '../../session/session.ts';

export interface ScaleFlags extends ClusterFlags {
  readonly replicas: string;
  /** Only if it has so many now. */
  readonly currentReplicas?: string;
  readonly wait?: string | true;
}

interface Replicated extends KubeObject {
  readonly spec: { readonly replicas?: number };
}

const MOST = 10_000;

export async function scale(words: readonly string[], flags: ScaleFlags): Promise<number> {
  const replicas = countOf(flags.replicas, '--replicas');
  const { currentReplicas } = flags;
  const current = currentReplicas === undefined ? undefined : countOf(currentReplicas, '--current-replicas');
  const waitMs = waitOf(flags);
  const wanted = await requireKinds(parseObjectArguments(words), flags.kubeconfig);
  for (const { kind, names } of wanted) requireScalable(kind, names);
  return withSession(flags, async (session) => {
    const { store, terminal, config } = session;
    const scaled: KubeObject[] = [];
    for (const { kind, names } of wanted) {
      for (const name of names) {
        const key = { namespace: config.namespace, name };
        const { object } = await changeObject(store, kind as ApiKind<Replicated>, key, (before) =>
          withReplicas(before, replicas, current),
        );
        terminal.out(`${kind.singular}/${name} scaled`);
        scaled.push(object);
      }
    }
    const notice = session.notice(scaled);
    if (notice !== undefined) terminal.say(notice);
    if (waitMs !== undefined) await Promise.all(scaled.map((object) => session.realize(object, waitMs)));
    return EXIT.ok;
  });
}

/** Returns the object with so many replicas; undefined if it has them. Throws TerminalError for one that another object scales. */
export function withReplicas(
  object: Replicated,
  replicas: number,
  current: number | undefined,
): Replicated | undefined {
  const { spec, metadata, kind } = object;
  const owner = controllerOf(object);
  if (owner) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: `${kind} ${metadata.name} is scaled by ${owner.kind} ${owner.name}`,
      fix: `caplv scale ${owner.kind.toLowerCase()}/${owner.name} --replicas=${replicas}`,
    });
  }
  const before = spec.replicas ?? 1;
  if (current !== undefined && before !== current) {
    throw new TerminalError({
      code: 'Conflict',
      path: '--current-replicas',
      message: `${kind} ${metadata.name} has ${before} replicas, and not ${current}`,
      fix: 'look at it again, and leave out --current-replicas if it is to be scaled all the same',
    });
  }
  return spec.replicas === replicas ? undefined : { ...object, spec: { ...spec, replicas } };
}

function countOf(text: string, path: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MOST) return Number(text);
  throw new TerminalError({
    code: 'InvalidConfiguration',
    path,
    message: `"${text}" is no number of machines`,
    fix: `use a whole number from 0 to ${MOST}`,
  });
}

function requireScalable(kind: ApiKind, names: readonly string[]): void {
  if (kind.scale && names.length > 0) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: kind.scale ? 'scale takes names' : `a ${kind.kind} cannot be scaled`,
    fix: 'name MachineDeployments or MachineSets: caplv scale machinedeployment/workers --replicas=3',
  });
}
