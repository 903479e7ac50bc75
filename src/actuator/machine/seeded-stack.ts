/** The stack of a machine, with its seed where Terraform can read it. */

import { rm } from 'node:fs/promises';
import type * as stacks from '../../../stacks/intent.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { traced } from '../../telemetry/spans.ts';
import type { ActuatorOptions, EarlyStack } from '../context/options.ts';
import { type StateHandle, seedDirectory } from '../context/state-home.ts';
import type { StateSession } from '../context/state-session.ts';
import { withSeedFile, writeSeed } from './seed-file.ts';

/** Begins to synthesise; undefined: the configuration names an offer of the relay, which does not stand yet. */
export function beginStack(
  options: ActuatorOptions,
  home: StateHandle,
  intent: MachineIntent,
): EarlyStack | undefined {
  if (intent.seed?.kind === 'iso') return undefined;
  const config = synthesize(options, home, withSeedFile(intent, seedDirectory(home)));
  // Create or update throws it.
  config.catch(() => {});
  return { intent, config };
}

/**
 * Runs `work` with the stack of a machine, and the seed on disk to the end of the session, as Terraform may read it. One that its author
 * has made is offered by the relay, unless this `isPreview`. `stack`: as begun before.
 */
export async function withSeededStack<T>(
  options: ActuatorOptions,
  session: StateSession,
  intent: MachineIntent,
  { isPreview = false, stack }: { readonly isPreview?: boolean; readonly stack?: EarlyStack | undefined },
  work: (config: object, machine: stacks.MachineIntent) => Promise<T>,
): Promise<T> {
  const { home } = session;
  const directory = seedDirectory(home);
  session.defer(() => rm(directory, { recursive: true, force: true }));
  const machine = await writeSeed(intent, directory);
  const { seed } = intent;
  if (isPreview || seed?.kind !== 'iso') {
    // Disks that are larger by now make another intent.
    const early = stack?.intent === intent ? stack.config : undefined;
    return work(await (early ?? synthesize(options, home, machine)), machine);
  }
  return options.relay.offer({ kind: 'seed', source: seed.source }, async ({ url }) => {
    const offered = { ...machine, seed: { ...seed, source: url } };
    return work(await synthesize(options, home, offered), machine);
  });
}

/** True for a machine of which a seed comes from a server, which may be slow. Everything else is made from what is there. */
export function isTransferred({ seed }: MachineIntent): boolean {
  return seed?.kind === 'iso' && /^https?:/.test(seed.source);
}

function synthesize(
  { synthesizer }: Pick<ActuatorOptions, 'synthesizer'>,
  { backend }: StateHandle,
  machine: stacks.MachineIntent,
): Promise<object> {
  return traced('synth', {}, () => synthesizer.machine(machine, backend));
}
