/** Whose Terraform state a `caplv state` command is about: a Machine by its name, or a host by its libvirt URI. */

import type { StackHome, Workspaces } from '../../actuator/state/state-home.ts';

/** No name of a Machine looks like a URI. */
export function isHost(subject: string): boolean {
  return subject.includes('://');
}

export function homeOf(workspaces: Workspaces, subject: string, namespace: string): StackHome {
  return isHost(subject) ? workspaces.host(subject) : workspaces.machine({ namespace, name: subject });
}
