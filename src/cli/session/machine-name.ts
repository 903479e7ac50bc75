/** How a machine is named in commands: NAME, or libvirtmachine/NAME for one of the current Cluster API. */

import type { ObjectKey } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import { infrastructureKey, isInfrastructure, objectName } from '../../intent/names.ts';

const PREFIX = 'libvirtmachine/';

/** Key under which the machine stands among those of both APIs. */
export function machineKey(namespace: string, name: string): ObjectKey {
  const isOther = name.toLowerCase().startsWith(PREFIX);
  return isOther ? infrastructureKey({ namespace, name: name.slice(PREFIX.length) }) : { namespace, name };
}

/** How output names the machine of that key: `machine/NAME` or `libvirtmachine/NAME`. */
export function machineSubject(key: Pick<ObjectKey, 'name'>): string {
  return `${isInfrastructure(key) ? 'libvirtmachine' : 'machine'}/${objectName(key)}`;
}

export function machineNotFound(key: ObjectKey): TerminalError {
  const [kind, plural] = isInfrastructure(key)
    ? ['LibvirtMachine', 'libvirtmachines']
    : ['Machine', 'machines'];
  return new TerminalError({
    code: 'NotFound',
    message: `there is no ${kind} "${objectName(key)}" in namespace "${key.namespace}"`,
    fix: `see which there are: caplv get ${plural} --all-namespaces`,
  });
}
