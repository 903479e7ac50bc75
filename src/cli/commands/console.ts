/** `caplv console`: the serial console of a machine, through virsh. */

import { execa } from 'execa';
import { MachineKind } from '../../api/kinds/machine.ts';
import type { Config } from '../../app/config.ts';
import { Terminal } from '../../errors.ts';
import { domainName } from '../../intent/names.ts';
import { quoteCommand } from '../../libvirt/virsh-command.ts';
import type { Store } from '../../store/store.ts';
import { EXIT } from '../output/exit-code.ts';
import type { Terminal as Output } from '../output/streams.ts';
import { type ClusterFlags, isForCluster, withCluster } from '../session/cluster-session.ts';
import { notFound } from '../session/errors.ts';
import { withContext } from '../session/local-session.ts';

export interface ConsoleFlags extends ClusterFlags {
  /** Print the command in place of running it. */
  readonly print?: boolean;
}

export async function openConsole(name: string, flags: ConsoleFlags): Promise<number> {
  if (isForCluster(flags)) {
    return withCluster(flags, ({ cluster, ...context }) => connect(cluster.store, context, name, flags));
  }
  return withContext(flags, ({ engine, ...context }) => connect(engine.store, context, name, flags));
}

async function connect(
  store: Store,
  { config, terminal }: { readonly config: Config; readonly terminal: Output },
  name: string,
  flags: ConsoleFlags,
): Promise<number> {
  const key = { namespace: config.namespace, name };
  const machine = await store.get(MachineKind, key);
  if (!machine) throw notFound(MachineKind, name, config.namespace);
  const uri = machine.status?.providerStatus?.pinned?.uri;
  if (uri === undefined) {
    throw new Terminal({
      code: 'NotFound',
      message: `Machine "${name}" has no domain yet`,
      fix: `caplv describe machine ${name}`,
    });
  }
  const args = ['--connect', uri, 'console', domainName(key)];
  if (flags.print || !process.stdin.isTTY) {
    terminal.out(quoteCommand(['virsh', ...args]));
    return EXIT.ok;
  }
  terminal.say('Escape character is ^]');
  const { exitCode } = await execa('virsh', args, { stdio: 'inherit', reject: false });
  return exitCode === 0 ? EXIT.ok : EXIT.failed;
}
