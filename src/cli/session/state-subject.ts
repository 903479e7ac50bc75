/** Whose Terraform state a `caplv state` command is about: a Machine by its name, or a host by its libvirt URI. */

import type { StateBackends, StateHandle } from '../../actuator/context/state-home.ts';
import type { Config } from '../../app/config.ts';
import { readIfThere } from '../../system/private-files.ts';
import { paths } from '../../terraform/workspace.ts';
import { machineKey } from './machine-name.ts';

/** No name of a Machine looks like a URI. */
export function isHost(subject: string): boolean {
  return subject.includes('://');
}

/** Throws Terminal InvalidConfiguration for a URI that cannot be used. */
export async function findHome(
  workspaces: StateBackends,
  subject: string,
  { namespace, policy }: Subject,
): Promise<StateHandle> {
  if (!isHost(subject)) return workspaces.machine(machineKey(namespace, subject));
  return workspaces.host(policy.hosts.named(subject, 'MACHINE|URI'));
}

/** As `findHome`; of a host also the homes of its base images. */
export async function findHomes(
  workspaces: StateBackends,
  subject: string,
  settings: Subject,
): Promise<StateHandle[]> {
  const home = await findHome(workspaces, subject, settings);
  if (!isHost(subject)) return [home];
  return [home, ...(await workspaces.images(settings.policy.hosts.named(subject, 'MACHINE|URI')))];
}

type Subject = Pick<Config, 'namespace' | 'policy'>;

/** The state as Terraform wrote it, secrets and all; empty: there is none. */
export async function stateText({ workspace }: StateHandle): Promise<string> {
  if (workspace.kubernetes) return workspace.kubernetes.readState();
  return (await readIfThere(paths.state(workspace))) ?? '';
}
