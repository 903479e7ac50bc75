/** Adds a stack to a CDKTF app for each Machine of an API server's namespace. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { App } from 'cdktf';
import { MachineStack } from '../../stacks/machine-stack.ts';
import { askActualSize } from '../actuator/machine/disk-sizes.ts';
import { writeSeed } from '../actuator/machine/seed-file.ts';
import { MachineKind } from '../api/kinds/machine.ts';
import { connectCluster } from '../app/cluster-connection.ts';
import type { Config } from '../app/config.ts';
import { openResolver } from '../app/engine.ts';
import { newUse } from '../controllers/machine/prepare-host.ts';
import { HostClaims } from '../controllers/shared/host-claims.ts';
import { CaplvError, TerminalError } from '../errors.ts';
import { requireUsableParts } from '../intent/policy-check.ts';
import { LibvirtConnections } from '../libvirt/connections.ts';
import { silentLogger } from '../telemetry/logger.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { printable } from '../telemetry/printable.ts';

/**
 * A stack for each Machine of a cluster (of one namespace) that its controller has made, on the same state and under the same
 * lock. What the machine needs on its host the controller has made too.
 */
export async function addClusterMachines(app: App, config: Config, kubeconfig: string): Promise<void> {
  const { namespace, watchNamespaces } = config;
  const { spellingsOf } = config.policy.hosts;
  const options = {
    kubeconfig,
    namespace,
    watchNamespaces,
    log: silentLogger,
    metrics: new Metrics(),
    spellingsOf,
  };
  const { store: objects, workspaces, installation, close } = await connectCluster(options);
  try {
    const store = Object.assign(objects, { installation: await installation() });
    const libvirt = new LibvirtConnections().of;
    const resolver = openResolver(config, store, libvirt);
    // Without their states, what is no longer allowed counts as not made.
    const made = async () => ({ networks: [], pools: [] });
    const claims = new HostClaims({ store, policy: config.policy, made });
    for (const machine of await store.list(MachineKind, { namespace })) {
      const { name } = machine.metadata;
      if (machine.status?.providerStatus?.appliedHash === undefined) continue;
      try {
        const placed = await resolver.place(machine);
        const { intent } = await resolver.resolve(placed, await resolver.seed(placed));
        if (intent.seed?.kind === 'iso' && !config.policy.everything) throw seedNotAllowed();
        // Of a change that its controller has refused nothing is made here either.
        const use = newUse(placed, intent);
        if (use) requireUsableParts(config.policy, use.namespace, use.parts, await claims.on(intent.uri));
        const sized = await askActualSize(intent, libvirt(intent.uri));
        const seeded = await writeSeed(sized, resolve(app.outdir, 'seeds', name));
        const { backend } = workspaces.machine({ namespace, name });
        selectWorkspace(join(app.outdir, 'stacks', name), name);
        new MachineStack(app, name, seeded, withConfig(backend, resolve(kubeconfig)));
      } catch (error) {
        if (!(error instanceof CaplvError)) throw error;
        process.stderr.write(printable(`machine/${name} is left out: ${error.message}\n`));
      }
    }
  } finally {
    await close();
  }
}

/** Terraform alone would follow wherever the server of a seed leads, and open whatever file is named. */
function seedNotAllowed(): TerminalError {
  return new TerminalError({
    code: 'NotAllowed',
    path: 'spec.providerSpec.userDataURI',
    message: 'its seed is a file or URL that only the controller reads, under its policy',
    fix: 'change the Machine with kubectl, or allow everything: CAPLV_ALLOW=everything',
  });
}

function withConfig<B extends object>(backend: B, configPath: string): B & { readonly configPath: string } {
  return { ...backend, configPath };
}

/** As `terraform workspace select` does. One Terraform workspace is the state of one machine. */
function selectWorkspace(directory: string, workspace: string): void {
  mkdirSync(join(directory, '.terraform'), { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, '.terraform', 'environment'), workspace, { mode: 0o600 });
}
