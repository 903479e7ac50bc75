/** The state of a machine, made anew from what is on the host. */

import { writeFile } from 'node:fs/promises';
import { type ImportedObject, NEVER_READ, NEVER_READ_WITHIN } from '../../../stacks/import-stack.ts';
import type { MachineIntent } from '../../intent/hosted-intent.ts';
import { domainName } from '../../intent/names.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { ImportedState } from '../../terraform/format/imported-state.ts';
import type { PlannedValues } from '../../terraform/format/planned-values.ts';
import { paths } from '../../terraform/workspace.ts';
import type { ActuatorOptions } from '../context/options.ts';
import { seedDirectory } from '../context/state-home.ts';
import type { StateSession } from '../context/state-session.ts';
import { askActualSize } from '../machine/disk-sizes.ts';
import { withSeedFile } from '../machine/seed-file.ts';
import { importAside } from './scratch-import.ts';

/** Volumes are complete after the first plan, the domain, which names the seed by its id, after the second. */
const ROUNDS = 4;

/** `objects`: what is there of the machine; `intent`: what it is to be. The state has a lineage of its own. */
export async function importState(
  { synthesizer, libvirt }: Pick<ActuatorOptions, 'synthesizer' | 'libvirt'>,
  session: StateSession,
  intent: MachineIntent,
  objects: readonly ImportedObject[],
): Promise<ImportedState> {
  const importable = objects.filter(({ type }) => type !== 'libvirt_ignition');
  return importAside(session, importable, async (imported, scratch) => {
    const path = paths.state(scratch.workspace);
    let state = withIgnition(imported, intent, objects);
    await writeFile(path, state.text, { mode: 0o600 });
    const fill = await fillOf(libvirt(intent.uri), intent);
    const sized = await askActualSize(intent, libvirt(intent.uri));
    const config = await synthesizer.machine(withSeedFile(sized, seedDirectory(session.home)), {
      kind: 'implicit',
    });
    for (let round = 0; round < ROUNDS; round += 1) {
      const plan = await scratch.plan(config, { save: true });
      const planned = await scratch.plannedValues(plan);
      const filled = state.filledIn(planned, fill);
      if (!filled) break;
      state = filled;
      await writeFile(path, state.text, { mode: 0o600 });
    }
    return state.depending('libvirt_domain');
  });
}

/** The provider cannot import an Ignition volume, but reads nothing of it either: what it would say is known. */
function withIgnition(
  state: ImportedState,
  { seed }: MachineIntent,
  objects: readonly ImportedObject[],
): ImportedState {
  const volume = objects.find(({ type }) => type === 'libvirt_ignition');
  if (!volume || seed?.kind !== 'ignition') return state;
  const { id, object: name, pool } = volume;
  // The provider's own id has a random UUID at its end, which nothing looks at.
  return state.plus(volume, { id: `${id};imported`, name, pool, content: seed.content }, ['content']);
}

/** Of what the provider cannot read, that counts as the spec says which libvirt does not show to be otherwise. */
async function fillOf(
  libvirt: Libvirt,
  { domain, rootDisk, ...machine }: MachineIntent,
): Promise<(planned: PlannedValues, attribute: string, value: unknown) => unknown> {
  const [observed, root, base] = await Promise.all([
    libvirt.domain(domainName(machine)),
    libvirt.volume(rootDisk.pool, rootDisk.volume),
    libvirt.volume(rootDisk.base.pool, rootDisk.base.volume),
  ]);
  const isOtherType = observed !== undefined && observed.type !== domain.type;
  const isOtherBase = root !== undefined && root.backingPath !== base?.path;
  return ({ type, name, after }, attribute, value) => {
    const parts = NEVER_READ_WITHIN[type]?.[attribute];
    if (parts) return withParts(parts, value, after[attribute]);
    if (!(attribute in after) || !NEVER_READ[type]?.includes(attribute)) return value;
    if (type === 'libvirt_domain' && attribute === 'type' && isOtherType) return value;
    if (name === 'root' && attribute.startsWith('base_') && isOtherBase) return value;
    return after[attribute];
  };
}

/** Objects of a list with those members of the wanted ones that are empty in them. */
function withParts(parts: readonly string[], value: unknown, wanted: unknown): unknown {
  if (!Array.isArray(value) || !Array.isArray(wanted)) return value;
  return value.map((object, index) => {
    const given = parts.filter((part) => !object[part] && wanted[index]?.[part]);
    return { ...object, ...Object.fromEntries(given.map((part) => [part, wanted[index][part]])) };
  });
}
