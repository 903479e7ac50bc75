/** `caplv console`: the serial console of a machine, through virsh. */

import { execa } from 'execa';
import { MachineKind } from '../../api/kinds/machine.ts';
import { TerminalError } from '../../errors.ts';
import { domainName } from '../../intent/names.ts';
import { requireAllowedHost } from '../../intent/policy-check.ts';
import { quoteCommand } from '../../libvirt/virsh-command.ts';
import { EXIT } from '../output/exit-code.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { machineKey, machineNotFound, machineSubject } from '../session/machine-name.ts';
import { withSession } from '../session/session.ts';

export interface ConsoleFlags extends ClusterFlags {
  /** Print the command in place of running it. */
  readonly print?: boolean;
}

export async function openConsole(name: string, flags: ConsoleFlags): Promise<number> {
  return withSession(flags, async ({ bothApis: store, config, terminal }) => {
    const key = machineKey(config.namespace, name);
    const machine = await store.get(MachineKind, key);
    if (!machine) throw machineNotFound(key);
    const pinned = machine.status?.providerStatus?.pinned;
    if (pinned === undefined) {
      throw new TerminalError({
        code: 'NotFound',
        message: `${machineSubject(key)} has no domain yet`,
        fix: `caplv describe ${machineSubject(key).replace('/', ' ')}`,
      });
    }
    const uri = requireAllowedHost(config.policy, pinned.uri, 'status.providerStatus.pinned.uri');
    const args = ['--connect', uri, 'console', domainName(key)];
    if (flags.print || !process.stdin.isTTY) {
      terminal.out(quoteCommand(['virsh', ...args]));
      return EXIT.ok;
    }
    terminal.say('Escape character is ^]');
    const { exitCode } = await execa('virsh', args, { stdio: 'inherit', reject: false });
    return exitCode === 0 ? EXIT.ok : EXIT.failed;
  });
}
