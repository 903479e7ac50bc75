/** `caplv delete`: objects out of the store, and everything of theirs off the hosts. */

import { parseLabelSelector } from '../../apimachinery/label-selector.ts';
import { parseObjectArguments } from '../names/object-arguments.ts';
import { reportError } from '../output/errors.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';
import { sayWaits, withMembers } from '../session/cluster-members.ts';
import {
  type DeleteFlags,
  giveUp,
  requireOneWay,
  type Target,
  targetsOf,
  timeoutOf,
} from '../session/delete-targets.ts';
import { type Session, withSession } from '../session/session.ts';

export async function remove(words: readonly string[], flags: DeleteFlags): Promise<number> {
  const timeoutMs = timeoutOf(flags);
  const requests = words.length > 0 ? parseObjectArguments(words) : [];
  requireOneWay(requests, flags);
  parseLabelSelector(flags.selector ?? '');
  return withSession(
    flags,
    async (session) => {
      const { config, store, terminal } = session;
      const named = await targetsOf(store, config.namespace, requests, flags);
      const targets = await withMembers(store, named, flags);
      if (targets.length === 0) terminal.say('There is nothing to delete.');
      if (flags.dryRun) {
        for (const { kind, key } of targets) terminal.out(`${kind.singular}/${key.name} deleted (dry run)`);
        return EXIT.ok;
      }
      // Marked before anything is awaited: a Cluster waits for Machines that know that they go.
      if (flags.giveUp) await giveUp(store, targets);
      for (const { kind, key } of targets) await store.delete(kind, key);
      await sayWaits(store, targets, terminal);
      const codes: number[] = [];
      for (const group of session.deletionGroups(targets))
        codes.push(...(await Promise.all(group.map((target) => removeOne(session, target, timeoutMs)))));
      return Math.max(EXIT.ok, ...codes);
    },
    { now: flags.now ?? false },
  );
}

async function removeOne(session: Session, target: Target, timeoutMs: number): Promise<number> {
  const { terminal } = session;
  const name = `${target.kind.singular}/${target.key.name}`;
  try {
    await session.awaitDeletion(target, timeoutMs);
    terminal.out(`${name} deleted`);
    return EXIT.ok;
  } catch (error) {
    reportError(terminal, error, name);
    return exitCodeOf(error);
  }
}
