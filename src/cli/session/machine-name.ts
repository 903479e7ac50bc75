/** How a machine is named in commands: NAME, machine/NAME, or libvirtmachine/NAME for one of the current Cluster API. */

import { LIBVIRT_MACHINE } from '../../api/infrastructure/names.ts';
import { isCalled, MACHINE } from '../../api/kinds/names.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import { infrastructureKey, isInfrastructure, objectName } from '../../intent/names.ts';

/** Key under which the machine stands among those of both APIs. Throws TerminalError InvalidConfiguration for another kind. */
export function machineKey(namespace: string, text: string): ObjectKey {
  const slash = text.indexOf('/');
  const [kindName, name] = [text.slice(0, Math.max(slash, 0)), text.slice(slash + 1)];
  if (slash === -1 || isCalled(MACHINE, kindName)) return { namespace, name };
  if (isCalled(LIBVIRT_MACHINE, kindName)) return infrastructureKey({ namespace, name });
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `"${text}" names no machine`,
    fix: 'write NAME or machine/NAME; libvirtmachine/NAME for a LibvirtMachine',
  });
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
