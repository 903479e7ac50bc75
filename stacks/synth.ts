/** Makes the Terraform JSON of a machine or a host, in this thread. */

import { RootConstruct } from 'constructs';
import { HostStack } from './host-stack.ts';
import type { BackendIntent, HostIntent, MachineIntent } from './intent.ts';
import { canonical, type JsonObject } from './json.ts';
import { MachineStack } from './machine-stack.ts';

/** Returns the Terraform JSON of a machine, with the secrets of an Ignition seed. The same intent gives the same bytes. */
export function synthMachine(intent: MachineIntent, backend: BackendIntent): JsonObject {
  // Not an App, which would make a directory.
  return canonical(new MachineStack(new RootConstruct(), 'machine', intent, backend).toTerraform());
}

/** Returns the Terraform JSON of what the machines of a host share. */
export function synthHost(intent: HostIntent, backend: BackendIntent): JsonObject {
  return canonical(new HostStack(new RootConstruct(), 'host', intent, backend).toTerraform());
}
