/** What would be changed of a machine, attribute by attribute. Changes nothing. Call it in a session of the machine's state. */

import type { MachineIntent } from '../intent/hosted-intent.ts';
import type { ActuatorOptions, UpdateOptions } from './context/options.ts';
import type { StateSession } from './context/state-session.ts';
import { factsOf } from './host/cleanup.ts';
import { askVolumes, atActualSize, diskGrowth } from './machine/disk-sizes.ts';
import { withSeededStack } from './machine/seeded-stack.ts';
import { previewWithGrowth } from './plan/growth.ts';
import { type PlanPreview, previewPlan, previewRecovered } from './plan/preview.ts';
import { refuseForeignState } from './state/ownership.ts';
import { isIncomplete, recoveredState } from './state/recover-machine.ts';
import { replaced } from './update-machine.ts';

/** See `Actuator.plan`. */
export async function planMachine(
  options: ActuatorOptions,
  session: StateSession,
  intent: MachineIntent,
  update: Pick<UpdateOptions, 'replaceDomain'>,
): Promise<PlanPreview> {
  const state = await session.terraform.state();
  await refuseForeignState(options, intent, state);
  const volumes = await askVolumes(intent, options.libvirt(intent.uri));
  const growth = await diskGrowth(intent, volumes, async () => state);
  const sized = atActualSize(intent, volumes, growth);
  const recover = async () => recoveredState(options, session, intent, await factsOf(options, intent), state);
  return withSeededStack(options, session, sized, { isPreview: true }, async (config, machine) => {
    const recovered = isIncomplete(sized, state) ? await recover() : undefined;
    if (!recovered) return previewWithGrowth(await previewPlan(session, config, replaced(update)), growth);
    const aside = await options.synthesizer.machine(machine, { kind: 'implicit' });
    return previewRecovered(session, aside, recovered, replaced(update));
  });
}
