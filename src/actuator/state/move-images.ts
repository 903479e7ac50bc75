/** Gives each image a state of its own that an earlier caplv kept in the one of its host. */

import { emptyStack } from '../../../stacks/empty-stack.ts';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import { StateCorruptError, type StateResource } from '../../terraform/format/state.ts';
import type { ActuatorOptions } from '../context/options.ts';
import type { StateHandle } from '../context/state-home.ts';
import { APPLIED } from './host-journal.ts';
import type { HostRecovery } from './recover-host.ts';
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

/** Under the lock of the host. Killed half-way it goes on: an image leaves the state of its host when all have one of their own. */
export async function moveImages(options: ActuatorOptions, recovery: HostRecovery): Promise<void> {
  const { terraform, workspaces } = options;
  const { uri, home, run } = recovery;
  if (!(await hasImages(options, home))) return;
  const state = await terraform.state(home.workspace);
  const text = await terraform.stateText(home.workspace);
  for (const { name, attributes } of state?.resources.filter(isImage) ?? []) {
    const volume = String(attributes['name']);
    const own = workspaces.image(uri, { pool: String(attributes['pool']), volume });
    const lock = await terraform.lock(own.workspace, { operation: 'image', ...run });
    try {
      await own.prepare(run);
      if ((await terraform.state(own.workspace))?.resources.length) continue;
      const alone = new ImportedState(text)
        .only((one) => isImage(one) && one.name === name)
        .withDependencies(() => []);
      const serial = nextSerial(undefined, await own.history.list());
      const config = emptyStack(uri, own.backend);
      await terraform.pushState(own.workspace, config, alone.numbered(serial).text, { ...run, lock });
      await own.notes.write(APPLIED, volume);
    } finally {
      await lock.release();
    }
  }
  const rest = new ImportedState(text).only((one) => !isImage(one));
  const serial = nextSerial(state, await home.history.list());
  await terraform.pushState(home.workspace, emptyStack(uri, home.backend), rest.numbered(serial).text, run);
}
