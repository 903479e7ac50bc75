/** Plans changes of a host's networks and pools, on a copy of the host's state. */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyStack } from '../../../stacks/empty-stack.ts';
import { type HostIntent, NO_PARTS, type PartNames } from '../../intent/hosted-intent.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import { parseState } from '../../terraform/format/state.ts';
import type { ActuatorOptions, VerbOptions } from '../context/options.ts';
import { type PlanPreview, previewAside } from '../plan/preview.ts';
import { isImage } from '../state/move-images.ts';
import { refuseForeignObjects, standingObjects } from '../state/recover-host.ts';
import { isNoPart, partsOf, partsOfRun } from './host-parts.ts';

const NOTHING_TO_DO: PlanPreview = { plan: { action: 'none', changes: [], drift: [] }, explanations: [] };

/**
 * The changes that bringing the parts of those names to `intent` would make, attribute by attribute. Changes nothing, and waits for
 * nobody: it works on a copy of the state. Throws Terminal NotOwned for a network or pool that is there and not provably ours.
 */
export async function planParts(
  options: ActuatorOptions,
  uri: AllowedHost,
  intent: HostIntent,
  names: PartNames,
  verb: VerbOptions,
): Promise<PlanPreview> {
  const { terraform, workspaces, libvirt, synthesizer } = options;
  const home = await workspaces.host(uri);
  const wanted = { ...intent, images: [] };
  const state = await terraform.state(home.workspace);
  const kept = state?.resources.length ? undefined : (await home.history.list())[0];
  const isLost = kept !== undefined && kept.resources > 0;
  const text = isLost ? await home.history.read(kept) : await terraform.stateText(home.workspace);
  const from = text === '' ? text : new ImportedState(text).only((one) => !isImage(one)).text;
  const known = parseState(from);
  const standing = await standingObjects(libvirt(uri), known, wanted);
  const { config } = partsOfRun(wanted, { apply: names, need: NO_PARTS }, standing);
  if (isNoPart(config) && !known?.resources.length) return NOTHING_TO_DO;
  await refuseForeignObjects(options, { uri, home }, partsOf(wanted, names));
  const backend = { kind: 'implicit' } as const;
  const stack = isNoPart(config) ? emptyStack(uri, backend) : await synthesizer.host(config, backend);
  const directory = await mkdtemp(join(tmpdir(), 'caplv-plan-'));
  const aside = await terraform.open({ dir: directory }, { operation: 'plan', providerKey: uri, ...verb });
  try {
    const preview = await previewAside(aside, stack, from, []);
    return isLost ? { ...preview, recovered: [{ from: `serial ${kept.serial}`, objects: [] }] } : preview;
  } finally {
    await aside.release();
  }
}
