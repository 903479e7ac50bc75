/** Commands on the power of machines that are there. */

import { type Command, Option } from 'commander';
import { command, type Finish, flag, kubeconfig } from './options.ts';

const NAMES = 'of Machines; libvirtmachine/NAME for a LibvirtMachine';

export function addPowerCommands(program: Command, finish: Finish): void {
  const power = () => import('./commands/power.ts');
  const timeout = () => flag('--timeout <duration>', 'stop waiting after this time (10m)');
  const wait = () =>
    flag('--wait [duration]', 'wait until the machine has an address (5m, or for example 90s)');
  // Without a variable: what it does cannot be taken back.
  const force = () =>
    new Option(
      '--force',
      'power the guest off at once, without asking it to shut down; unsaved data is lost',
    );

  command(program, 'stop', 'shut machines down and keep them off until `caplv start`; their disks stay')
    .argument('<names...>', NAMES)
    .addOption(force())
    .addOption(timeout())
    .addOption(kubeconfig())
    .addHelpText(
      'after',
      '\nThe guest is asked to shut down (ACPI and guest agent), for shutdownTimeoutSeconds of its specification. A machine that is stopped\n' +
        'stays so when its manifest is applied again, and when its host restarts (unless it has autostart).',
    )
    .action(async (names, _, self: Command) =>
      finish(await (await power()).stop(names, self.optsWithGlobals())),
    );

  command(program, 'start', 'start machines that were stopped, or that stopped by themselves')
    .argument('<names...>', NAMES)
    .addOption(wait())
    .addOption(timeout())
    .addOption(kubeconfig())
    .action(async (names, _, self: Command) =>
      finish(await (await power()).start(names, self.optsWithGlobals())),
    );

  command(program, 'reboot', 'shut machines down and start them again, once')
    .argument('<names...>', NAMES)
    .addOption(force())
    .addOption(wait())
    .addOption(timeout())
    .addOption(kubeconfig())
    .action(async (names, _, self: Command) =>
      finish(await (await power()).reboot(names, self.optsWithGlobals())),
    );
}
