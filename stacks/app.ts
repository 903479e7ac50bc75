/**
 * The cdktf app: one stack for each Machine in CAPLV_MANIFESTS (a file or directory; default: the examples), with the state
 * and the identity that `caplv` gives it, so that `npx cdktf diff|deploy|destroy NAME` and `caplv` may take turns.
 */

import { chmodSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App } from 'cdktf';
import { LocalWorkspaces } from '../src/actuator/local-workspaces.ts';
import { seedDirectory } from '../src/actuator/workspaces.ts';
import { type Machine, MachineKind } from '../src/api/machine.ts';
import { loadManifests } from '../src/api/manifest-files.ts';
import { configOf } from '../src/config.ts';
import { observers, openResolver } from '../src/engine.ts';
import { LocalStore } from '../src/store/local-store.ts';
import { OverlayStore } from '../src/store/overlay-store.ts';
import { MachineStack } from './machine-stack.ts';
import { writeSeed } from './seed-file.ts';

// Synthesised stacks hold user data.
process.umask(0o077);
const outdir = process.env['CDKTF_OUTDIR'] ?? 'cdktf.out';
mkdirSync(outdir, { recursive: true, mode: 0o700 });
chmodSync(outdir, 0o700);

const root = fileURLToPath(new URL('..', import.meta.url));
const source = process.env['CAPLV_MANIFESTS'] ?? join(root, 'deploy', 'examples', 'kube-cp.yaml');
const { CAPLV_LIBVIRT_URI: libvirtUri, CAPLV_STATE_DIR: stateDir, CAPLV_NAMESPACE: namespace } = process.env;
const config = configOf({
  ...(libvirtUri === undefined ? {} : { libvirtUri }),
  ...(stateDir === undefined ? {} : { stateDir }),
  ...(namespace === undefined ? {} : { namespace }),
});

const manifests = (await loadManifests([source], { namespace: config.namespace })).map(
  ({ object }) => object,
);
const store = new OverlayStore(await LocalStore.open(config.stateDir), manifests);
const resolver = openResolver(config, store, observers());
const workspaces = new LocalWorkspaces(config.stateDir);
const app = new App({ outdir });

for (const manifest of manifests) {
  if (manifest.kind !== 'Machine') continue;
  const key = { namespace: manifest.metadata.namespace ?? 'default', name: manifest.metadata.name };
  const machine = (await store.get(MachineKind, key)) as Machine;
  const placed = await resolver.place(machine);
  const { intent } = await resolver.resolve(placed, await resolver.seed(placed));
  const home = workspaces.machine(key);
  // Stays there for `cdktf deploy`; the next call of caplv removes it.
  const seeded = await writeSeed(intent, seedDirectory(home));
  const name = key.namespace === 'default' ? key.name : `${key.namespace}.${key.name}`;
  new MachineStack(
    app,
    name,
    seeded,
    { kind: 'local', path: join(home.workspace.dir, 'terraform.tfstate') },
    {
      ensureBase: {
        command: [
          process.execPath,
          join(root, 'dist', 'src', 'bin.js'),
          'register',
          key.name,
          '-f',
          resolve(source),
        ]
          .map((word) => `'${word}'`)
          .join(' '),
        environment: {
          CAPLV_LIBVIRT_URI: config.libvirtUri,
          CAPLV_STATE_DIR: config.stateDir,
          CAPLV_NAMESPACE: key.namespace,
        },
      },
    },
  );
}

app.synth();
