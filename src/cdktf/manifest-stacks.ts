/** Adds a stack to a CDKTF app for each Machine of a manifest. */

import { join, resolve } from 'node:path';
import type { App } from 'cdktf';
import { MachineStack, type MachineStackOptions } from '../../stacks/machine-stack.ts';
import { seedDirectory } from '../actuator/context/state-home.ts';
import { askActualSize } from '../actuator/machine/disk-sizes.ts';
import { writeSeed } from '../actuator/machine/seed-file.ts';
import { LocalStateBackends } from '../actuator/state/local.ts';
import { type Machine, MachineKind } from '../api/kinds/machine.ts';
import { loadManifests } from '../api/manifest/load.ts';
import type { Config } from '../app/config.ts';
import { openResolver } from '../app/engine.ts';
import { LibvirtConnections } from '../libvirt/connections.ts';
import { quoteCommand } from '../libvirt/virsh-command.ts';
import { LocalStore } from '../store/local-store.ts';
import { OverlayStore } from '../store/overlay-store.ts';

/** A stack for each Machine in `source` (a file or directory), on the state that `caplv apply` would use. */
export async function addManifestMachines(app: App, config: Config, source: string): Promise<void> {
  const manifests = (await loadManifests([source], { namespace: config.namespace })).map(
    ({ object }) => object,
  );
  const store = new OverlayStore(await LocalStore.open(config.stateDir), manifests);
  const libvirt = new LibvirtConnections().of;
  const resolver = openResolver(config, store, libvirt);
  const workspaces = new LocalStateBackends(config.stateDir, {
    spellingsOf: config.policy.hosts.spellingsOf,
  });
  for (const manifest of manifests) {
    if (manifest.kind !== 'Machine') continue;
    const key = { namespace: manifest.metadata.namespace ?? 'default', name: manifest.metadata.name };
    const machine = (await store.get(MachineKind, key)) as Machine;
    const placed = await resolver.place(machine);
    const { intent } = await resolver.resolve(placed, await resolver.seed(placed));
    const home = workspaces.machine(key);
    // Stays there for `cdktf deploy`; the next call of caplv removes it.
    const sized = await askActualSize(intent, libvirt(intent.uri));
    const seeded = await writeSeed(sized, seedDirectory(home));
    const name = key.namespace === 'default' ? key.name : `${key.namespace}.${key.name}`;
    const backend = { kind: 'local', path: join(home.workspace.dir, 'terraform.tfstate') } as const;
    new MachineStack(app, name, seeded, backend, {
      ensureBase: registration(config, key.namespace, key.name, source),
    });
  }
}

/** The command that makes what the machine needs on its host. */
function registration(
  config: Config,
  namespace: string,
  name: string,
  source: string,
): NonNullable<MachineStackOptions['ensureBase']> {
  const program = join(import.meta.dirname, '../..', 'dist', 'bin.js');
  return {
    command: quoteCommand([process.execPath, program, 'register', name, '-f', resolve(source)]),
    environment: {
      CAPLV_LIBVIRT_URI: config.libvirtUri,
      CAPLV_STATE_DIR: config.stateDir,
      CAPLV_NAMESPACE: namespace,
    },
  };
}
