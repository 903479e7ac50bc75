/** Makes the Terraform JSON of a machine or a host, in this thread. */

import { RootConstruct } from 'constructs';
import { HostStack } from './host-stack.ts';
import type { BackendIntent, HostIntent, MachineIntent } from './intent.ts';
import { canonical, type JsonObject } from './json.ts';
import { MachineStack } from './machine-stack.ts';

/** Terraform JSON of a machine: the same intent gives the same bytes. Holds the secrets of an Ignition seed. */
export function synthMachine(intent: MachineIntent, backend: BackendIntent): JsonObject {
  // Not an App: that would make a directory.
  return canonical(new MachineStack(new RootConstruct(), 'machine', intent, backend).toTerraform());
}

/** Terraform JSON of what the machines of a host share. */
export function synthHost(intent: HostIntent, backend: BackendIntent): JsonObject {
  return canonical(new HostStack(new RootConstruct(), 'host', intent, backend).toTerraform());
}
