/** How a machine is named in commands: NAME, or libvirtmachine/NAME for one of the current Cluster API. */

import type { ObjectKey } from '../../apimachinery/object.ts';
import { infrastructureKey } from '../../intent/names.ts';

const PREFIX = 'libvirtmachine/';

/** Key under which the machine stands among those of both APIs. */
export function machineKey(namespace: string, name: string): ObjectKey {
  const isOther = name.toLowerCase().startsWith(PREFIX);
  return isOther ? infrastructureKey({ namespace, name: name.slice(PREFIX.length) }) : { namespace, name };
}
