/** Whose Terraform state a `caplv state` command is about: a Machine by its name, or a host by its libvirt URI. */

import type { StackHome, Workspaces } from '../../actuator/state/state-home.ts';
import { readIfThere } from '../../system/private-files.ts';
import { paths } from '../../terraform/workspace.ts';

/** No name of a Machine looks like a URI. */
export function isHost(subject: string): boolean {
  return subject.includes('://');
}

export function homeOf(workspaces: Workspaces, subject: string, namespace: string): StackHome {
  return isHost(subject) ? workspaces.host(subject) : workspaces.machine({ namespace, name: subject });
}

/** The state as Terraform wrote it, secrets and all; empty: there is none. */
export async function stateText({ workspace }: StackHome): Promise<string> {
  if (workspace.kubernetes) return workspace.kubernetes.readState();
  return (await readIfThere(paths.state(workspace))) ?? '';
}
