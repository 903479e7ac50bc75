/** Observes machines for a command that shows their status. */

import type { Machine } from '../../api/kinds/machine.ts';
import { prefetchDomains } from '../../controllers/machine/ask-hosts.ts';
import { CaplvError } from '../../errors.ts';
import type { Context } from './local-session.ts';

/** Brings machines up to date. A host that does not answer leaves the last known status, and says so. */
export async function refreshStatus(
  { config, engine, terminal }: Context,
  machines: readonly Machine[],
): Promise<void> {
  const problems = new Set<string>();
  prefetchDomains(config.policy, engine.libvirt, machines);
  await Promise.all(
    machines.map((machine) =>
      engine.machines.observe(machine).catch((error) => {
        if (!(error instanceof CaplvError)) throw error;
        problems.add(error.message);
      }),
    ),
  );
  for (const problem of problems) terminal.say(`warning: shown as last known: ${problem}`);
}
