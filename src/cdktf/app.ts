/**
 * The cdktf app: one stack for each Machine, with the state and the identity that `caplv` gives it, so that
 * `npx cdktf diff|deploy|destroy NAME` and `caplv` may take turns. The Machines are those in CAPLV_MANIFESTS (a file or directory;
 * default: the examples); with CAPLV_KUBECONFIG those that the controller of that cluster has made.
 */

import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { App } from 'cdktf';
import { configOf } from '../app/config.ts';
import { addClusterMachines } from './cluster-stacks.ts';
import { addManifestMachines } from './manifest-stacks.ts';

// Synthesised stacks hold user data.
process.umask(0o077);
const outdir = process.env['CDKTF_OUTDIR'] ?? 'cdktf.out';
mkdirSync(outdir, { recursive: true, mode: 0o700 });
chmodSync(outdir, 0o700);

const {
  CAPLV_LIBVIRT_URI: libvirtUri,
  CAPLV_STATE_DIR: stateDir,
  CAPLV_NAMESPACE: namespace,
  CAPLV_WATCH_NAMESPACES: watchNamespaces,
  CAPLV_ALLOW: allow,
  CAPLV_KUBECONFIG: kubeconfig,
  CAPLV_MANIFESTS: manifests = join(import.meta.dirname, '../..', 'deploy', 'examples', 'kube-cp.yaml'),
} = process.env;
// The Machines of a cluster were written by others: what they name is read with the rights of whoever runs this.
const flags = {
  ...(libvirtUri === undefined ? {} : { libvirtUri }),
  ...(stateDir === undefined ? {} : { stateDir }),
  ...(namespace === undefined ? {} : { namespace }),
  ...(watchNamespaces === undefined ? {} : { watchNamespaces }),
  ...(allow === undefined ? {} : { allow }),
};
const config = configOf(flags, kubeconfig === undefined ? 'own' : 'cluster');

const app = new App({ outdir });
if (kubeconfig === undefined) await addManifestMachines(app, config, manifests);
else await addClusterMachines(app, config, kubeconfig);
app.synth();
