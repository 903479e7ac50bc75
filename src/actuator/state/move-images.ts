/** Gives each image a state of its own that an earlier caplv kept in the one of its host. */

import { ImportedState } from '../../terraform/format/imported-state.ts';
import { StateCorruptError, type StateResource } from '../../terraform/format/state.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { StateHandle } from '../context/state-home.ts';
import { type StateSession, withState } from '../context/state-session.ts';
import { APPLIED } from './host-journal.ts';
import { nextSerial } from './recover-machine.ts';

/** True for a resource that is a base image, in a state of what machines share. */
export function isImage({ type }: Pick<StateResource, 'type'>): boolean {
  return type === 'libvirt_volume';
}

/** True if the state of the host knows images. One that cannot be read waits for a person. */
export async function hasImages(
  { terraform }: Pick<ActuatorOptions, 'terraform'>,
  { workspace }: StateHandle,
): Promise<boolean> {
  try {
    return (await terraform.state(workspace))?.resources.some(isImage) ?? false;
  } catch (error) {
    if (error instanceof StateCorruptError) return false;
    throw error;
  }
}

/** In a session of the host. Killed half-way it goes on: an image leaves the state of its host when all have one of their own. */
export async function moveImages(options: ActuatorOptions, session: StateSession): Promise<void> {
  const { uri, home, terraform, onEvent } = session;
  if (!(await hasImages(options, home))) return;
  const state = await terraform.state();
  const text = await terraform.stateText();
  for (const { name, attributes } of state?.resources.filter(isImage) ?? []) {
    const volume = String(attributes['name']);
    const own = options.workspaces.image(uri, { pool: String(attributes['pool']), volume });
    await withState(options, uri, own, { operation: 'image', onEvent }, async (image) => {
      if ((await image.terraform.state())?.resources.length) return;
      const alone = new ImportedState(text)
        .only((one) => isImage(one) && one.name === name)
        .withDependencies(() => []);
      const serial = nextSerial(undefined, await own.history.list());
      await image.pushState(alone.numbered(serial).text);
      await own.notes.write(APPLIED, volume);
    });
  }
  const rest = new ImportedState(text).only((one) => !isImage(one));
  const serial = nextSerial(state, await home.history.list());
  await session.pushState(rest.numbered(serial).text);
}
