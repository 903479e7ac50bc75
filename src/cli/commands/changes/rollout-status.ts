/** `caplv rollout status`: how far a rollout is, until it is complete. */

import { type MachineDeployment, MachineDeploymentKind } from '../../../api/kinds/machine-deployment.ts';
import { findCondition } from '../../../apimachinery/conditions.ts';
import { TerminalError } from '../../../errors.ts';
import { parseWait } from '../../../system/duration.ts';
import { EXIT } from '../../output/exit-code.ts';
import type { ClusterFlags } from '../../session/cluster-session.ts';
import { notFound } from '../../session/errors.ts';
import { withSession } from '../../session/session.ts';
import { waitForObject } from '../../session/watch-until.ts';
import { namesOf } from './rollout.ts';

export interface StatusFlags extends ClusterFlags {
  /** False: shows it once. */
  readonly watch?: boolean;
  readonly timeout?: string;
}

export interface Progress {
  readonly text: string;
  readonly isComplete: boolean;
}

/** A rollout may take as long as it does: what stops it is its own deadline, `spec.progressDeadlineSeconds`. */
const DEFAULT_TIMEOUT_MS = 24 * 3_600_000;

export async function rolloutStatus(words: readonly string[], flags: StatusFlags): Promise<number> {
  const timeoutMs = flags.timeout === undefined ? DEFAULT_TIMEOUT_MS : parseWait(flags.timeout, '--timeout');
  const names = await namesOf(words, flags);
  return withSession(
    flags,
    async ({ store, terminal, signal, config: { namespace } }) => {
      for (const name of names) {
        let said = '';
        const say = (deployment: MachineDeployment | undefined): boolean => {
          if (!deployment) throw notFound(MachineDeploymentKind, name, namespace);
          const { text, isComplete } = progressOf(deployment);
          if (text !== said) terminal.out(text);
          said = text;
          return isComplete;
        };
        const key = { namespace, name };
        if (say(await store.get(MachineDeploymentKind, key)) || flags.watch === false) continue;
        const what = 'was not rolled out';
        await waitForObject(store, MachineDeploymentKind, key, { isDone: say, timeoutMs, signal, what });
      }
      return EXIT.ok;
    },
    { isWatch: true },
  );
}

/** What kubectl says of a Deployment. Throws TerminalError WaitTimeout once the deadline of the deployment has passed. */
export function progressOf({ metadata, spec, status }: MachineDeployment): Progress {
  const subject = `machinedeployment/${metadata.name}`;
  const waiting = (text: string) => ({ text: `${subject}: ${text}`, isComplete: false });
  const { replicas: wanted = 1, paused } = spec;
  if (!status || (status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    return waiting('waiting for the controller to see the change');
  const progressing = findCondition({ status }, 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded') {
    throw new TerminalError({
      code: 'WaitTimeout',
      message: `${subject} exceeded its progress deadline: ${progressing.message}`,
      fix: `see why: caplv describe ${subject}; go back: caplv rollout undo ${subject}`,
    });
  }
  const { updatedReplicas: updated = 0, replicas = 0, availableReplicas: available = 0 } = status;
  if (updated < wanted) {
    return waiting(
      `${updated} of ${wanted} machines are new${paused ? '; it is paused, to go on: caplv rollout resume' : ''}`,
    );
  }
  if (replicas > updated) return waiting(`${replicas - updated} old machines are still to be deleted`);
  if (available < updated) return waiting(`${available} of ${updated} new machines are available`);
  return { text: `${subject} is rolled out`, isComplete: true };
}
