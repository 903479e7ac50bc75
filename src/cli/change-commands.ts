/** Commands that change stored objects in place: labels, annotations, the number of machines, rollouts; and what happened to objects. */

import type { Command } from 'commander';
import { command, type Finish, flag, kubeconfig, output, typedFlag, typedSelector } from './options.ts';

const NAMED = 'KIND NAME... or KIND/NAME...';
const DEPLOYMENTS = 'machinedeployment NAME... or machinedeployment/NAME...';

export function addChangeCommands(program: Command, finish: Finish): void {
  for (const [name, what] of [
    ['label', 'labels'],
    ['annotate', 'annotations'],
  ] as const) {
    command(program, name, `set or remove ${what} of objects`)
      .argument('<words...>', `${NAMED}, then KEY=VALUE to set and KEY- to remove`)
      .addOption(typedFlag('--overwrite', 'give another value to what is there'))
      .addOption(typedFlag('--all', 'all objects of the kinds in the namespace'))
      .addOption(typedSelector())
      .addOption(kubeconfig())
      .action(async (words, _, self: Command) =>
        finish(await (await import('./commands/changes/metadata.ts'))[name](words, self.optsWithGlobals())),
      );
  }

  command(program, 'scale', 'set how many machines a MachineSet or MachineDeployment has')
    .argument('<objects...>', NAMED)
    .addOption(typedFlag('--replicas <n>', 'so many machines').makeOptionMandatory())
    .addOption(typedFlag('--current-replicas <n>', 'only if it has so many now'))
    .addOption(flag('--wait [duration]', 'wait until they are ready (5m, or for example 90s)'))
    .addOption(kubeconfig())
    .action(async (words, _, self: Command) =>
      finish(await (await import('./commands/changes/scale.ts')).scale(words, self.optsWithGlobals())),
    );

  addRollout(program, finish);

  command(program, 'events', 'list what happened to objects of a cluster, latest last')
    .argument('[objects...]', `${NAMED}, or KIND; none: all`)
    .addOption(flag('-A, --all-namespaces', 'of all namespaces'))
    .addOption(flag('--types <types>', 'only Normal or Warning'))
    .addOption(output('json', 'yaml'))
    .addOption(flag('--no-headers', 'without the first line'))
    .addOption(kubeconfig())
    .action(async (words, _, self: Command) =>
      finish(await (await import('./commands/events.ts')).showEvents(words, self.optsWithGlobals())),
    );
}

function addRollout(program: Command, finish: Finish): void {
  const rollout = program
    .command('rollout')
    .description('show and steer how a MachineDeployment replaces its machines');
  command(rollout, 'status', 'show how far it is, until it is complete')
    .argument('<objects...>', DEPLOYMENTS)
    .addOption(flag('--no-watch', 'show it once'))
    .addOption(flag('--timeout <duration>', 'stop waiting after this time'))
    .addOption(kubeconfig())
    .action(async (words, _, self: Command) =>
      finish(
        await (await import('./commands/changes/rollout-status.ts')).rolloutStatus(
          words,
          self.optsWithGlobals(),
        ),
      ),
    );
  command(rollout, 'history', 'list the revisions of the template that are kept')
    .argument('<objects...>', DEPLOYMENTS)
    .addOption(flag('--revision <n>', 'show the template of this one'))
    .addOption(output('json', 'yaml'))
    .addOption(kubeconfig())
    .action(async (words, _, self: Command) =>
      finish(await (await import('./commands/changes/rollout.ts')).history(words, self.optsWithGlobals())),
    );
  const changes = {
    undo: 'go back to the template of an earlier revision; machines are replaced',
    restart: 'replace all machines by new ones of the same template',
    pause: 'stop replacing machines',
    resume: 'go on replacing machines',
  } as const;
  for (const [name, description] of Object.entries(changes)) {
    const change = command(rollout, name, description)
      .argument('<objects...>', DEPLOYMENTS)
      .addOption(kubeconfig());
    if (name === 'undo')
      change.addOption(typedFlag('--to-revision <n>', 'that one (0: the one before the current)'));
    change.action(async (words, _, self: Command) => {
      const rollouts = await import('./commands/changes/rollout.ts');
      finish(await rollouts[name as keyof typeof changes](words, self.optsWithGlobals()));
    });
  }
}
