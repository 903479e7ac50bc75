/** `caplv delete --kubeconfig`: objects out of a cluster; waits until the controller has removed what is theirs. */

import { Terminal } from '../../errors.ts';
import { reportError } from '../output/errors.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';
import { sayWaits, withMembers } from '../session/cluster-members.ts';
import { withCluster } from '../session/cluster-session.ts';
import { type DeleteFlags, giveUp, targetsOf, timeoutOf } from '../session/delete-targets.ts';
import { awaitObject } from '../session/watch-until.ts';

export async function removeFromCluster(
  kindName: string | undefined,
  names: readonly string[],
  flags: DeleteFlags & { readonly kubeconfig: string },
): Promise<number> {
  if (flags.now) {
    throw new Terminal({
      code: 'InvalidConfiguration',
      path: '--now',
      message: 'the controller of a cluster takes no flag of a command',
      fix: 'set shutdownTimeoutSeconds: 0 in the provider spec of the Machine',
    });
  }
  const timeoutMs = timeoutOf(flags);
  return withCluster(flags, async ({ config, cluster, terminal, signal }) => {
    const { store } = cluster;
    const targets = await withMembers(
      store,
      await targetsOf(store, config.namespace, kindName, names, flags),
      flags,
    );
    if (flags.giveUp) await giveUp(store, targets);
    for (const { kind, key } of targets) await store.delete(kind, key);
    await sayWaits(store, targets, terminal);
    const codes = await Promise.all(
      targets.map(async ({ kind, key }) => {
        const name = `${kind.singular}/${key.name}`;
        try {
          const isDone = (object: unknown) => object === undefined;
          await awaitObject(store, kind, key, { isDone, timeoutMs, signal, what: 'was not deleted' });
          terminal.out(`${name} deleted`);
          return EXIT.ok;
        } catch (error) {
          reportError(terminal, error, name);
          return exitCodeOf(error);
        }
      }),
    );
    return Math.max(EXIT.ok, ...codes);
  });
}
