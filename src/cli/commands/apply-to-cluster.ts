/** `caplv apply --kubeconfig`: manifests into a cluster, whose controller makes them true. */

import { SecretKind } from '../../api/kinds/secret.ts';
import { loadManifests } from '../../api/manifest/load.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { Terminal } from '../../errors.ts';
import { reportError } from '../output/errors.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';
import { type ClusterContext, withCluster } from '../session/cluster-session.ts';
import { type ApplyFlags, inOrder, kindOf, storeManifest, waitOf } from '../session/manifests.ts';
import { waitUntilReady } from '../session/wait-until-ready.ts';

export async function applyToCluster(flags: ApplyFlags & { readonly kubeconfig: string }): Promise<number> {
  if (flags.allowReplace) {
    throw new Terminal({
      code: 'InvalidConfiguration',
      path: '--allow-replace',
      message: 'the controller of a cluster takes no flag of a command',
      fix: 'approve the plan in the status of the Machine: kubectl annotate machine NAME cluster-api.k8s.io/approve-plan=ID',
    });
  }
  const waitMs = waitOf(flags);
  return withCluster(flags, async (context) => {
    const { config, cluster, terminal } = context;
    const manifests = inOrder(await loadManifests(flags.filename, { namespace: config.namespace }));
    for (const manifest of manifests) await storeManifest(cluster.store, terminal, manifest);
    if (waitMs === undefined) return EXIT.ok;
    const objects = manifests.map(({ object }) => object).filter((one) => kindOf(one) !== SecretKind);
    const codes = await Promise.all(objects.map((object) => wait(context, object, waitMs)));
    return Math.max(EXIT.ok, ...codes);
  });
}

async function wait(
  { cluster, terminal, signal }: ClusterContext,
  object: KubeObject,
  timeoutMs: number,
): Promise<number> {
  try {
    await waitUntilReady(cluster.store, object, { terminal, signal, timeoutMs });
    return EXIT.ok;
  } catch (error) {
    reportError(terminal, error, `${kindOf(object).singular}/${object.metadata.name}`);
    return exitCodeOf(error);
  }
}
