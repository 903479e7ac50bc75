/** `caplv export`: a machine as a plain Terraform directory, configuration and state, that needs no caplv any more. */

import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { askActualSize } from '../../actuator/machine/disk-sizes.ts';
import { writeSeed } from '../../actuator/machine/seed-file.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { Engine } from '../../app/engine.ts';
import { TerminalError } from '../../errors.ts';
import { createAtomically } from '../../system/atomic-file.ts';
import { requireOwnDirectory } from '../../system/private-files.ts';
import { CONFINED } from '../../terraform/run/process.ts';
import { EXIT } from '../output/exit-code.ts';
import type { Streams } from '../output/streams.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { type EngineSession, withEngine } from '../session/engine-session.ts';
import { machineKey, machineNotFound } from '../session/machine-name.ts';

export async function exportMachine(name: string, directory: string, flags: ClusterFlags): Promise<number> {
  const work = ({ engine, config, terminal }: EngineSession) =>
    write(engine, machineKey(config.namespace, name), directory, terminal);
  return withEngine(flags, work);
}

async function write(engine: Engine, key: ObjectKey, directory: string, terminal: Streams): Promise<number> {
  const { name } = key;
  const machine = await engine.store.get(MachineKind, key);
  if (!machine) throw machineNotFound(key);
  const { workspace } = engine.workspaces.machine(key);
  if (!(await engine.actuator.hasState(key))) {
    throw new TerminalError({
      code: 'NotFound',
      message: `Machine "${name}" does not exist yet`,
      fix: 'apply it first: caplv apply -f FILE',
    });
  }
  const target = resolve(directory);
  await makeEmpty(target);
  const placed = await engine.resolver.place(machine);
  const { intent } = await engine.resolver.resolve(placed, await engine.resolver.seed(placed));
  const sized = await askActualSize(intent, engine.libvirt(intent.uri));
  const stack = await engine.synthesizer.machine(await writeSeed(sized, target), { kind: 'implicit' });
  await createAtomically(join(target, 'main.tf.json'), `${JSON.stringify(stack, null, 2)}\n`);
  const state = await engine.terraform.stateText(workspace);
  await createAtomically(join(target, 'terraform.tfstate'), state);
  const init = await execa('/bin/sh', ['-c', CONFINED, 'terraform', 'init', '-input=false', '-no-color'], {
    cwd: target,
    reject: false,
  });
  if (init.failed)
    terminal.say(`warning: terraform init failed there; run it yourself: terraform -chdir=${directory} init`);
  terminal.say(`${target} holds configuration, state and user data of ${name}: keep it private.`);
  terminal.say(
    `Next: terraform -chdir=${directory} plan. While caplv has the Machine, change it in one place only.`,
  );
  return EXIT.ok;
}

async function makeEmpty(target: string): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o700 });
  // In one of another user, or that others may write to, a link could lead what is written to any file of ours.
  await requireOwnDirectory(target, '');
  if ((await readdir(target)).length === 0) return;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `${target} is not empty`,
    fix: 'name a new or empty directory',
  });
}
