/** `caplv apply --kubeconfig`: manifests into a cluster, whose controller makes them true. */

import { loadManifests } from '../../api/manifest/load.ts';
import { API_VERSION } from '../../api/schema/group.ts';
import type { Condition } from '../../apimachinery/conditions.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { Terminal } from '../../errors.ts';
import { reportError } from '../output/errors.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';
import { type ClusterContext, withCluster } from '../session/cluster-session.ts';
import { type ApplyFlags, inOrder, keyOf, kindOf, storeManifest, waitOf } from '../session/manifests.ts';
import { awaitObject } from '../session/watch-until.ts';

/** What the status of each of our kinds has. */
interface Status {
  readonly conditions?: readonly Condition[];
  readonly observedGeneration?: number;
}

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
    const objects = manifests.map(({ object }) => object).filter((one) => one.apiVersion === API_VERSION);
    const codes = await Promise.all(objects.map((object) => waitUntilReady(context, object, waitMs)));
    return Math.max(EXIT.ok, ...codes);
  });
}

/** Says what changes on the way. */
async function waitUntilReady(
  { cluster, terminal, signal }: ClusterContext,
  object: KubeObject,
  timeoutMs: number,
): Promise<number> {
  const kind = kindOf(object);
  const name = `${kind.singular}/${object.metadata.name}`;
  let said = '';
  const isDone = (now: KubeObject | undefined) => {
    const status = now?.status as Status | undefined;
    const ready = status?.conditions?.find(({ type }) => type === 'Ready' || type === 'Available');
    if (!ready || (status?.observedGeneration ?? 0) < (now?.metadata.generation ?? 0)) return false;
    const text = [ready.reason, ready.message].filter(Boolean).join(': ');
    if (text !== said) terminal.say(`${name}  ${ready.status === 'True' ? 'ready' : text}`);
    said = text;
    return ready.status === 'True';
  };
  try {
    const options = { isDone, timeoutMs, signal, what: 'was not ready' };
    await awaitObject(cluster.store, kind, keyOf(object), options);
    return EXIT.ok;
  } catch (error) {
    reportError(terminal, error, name);
    return exitCodeOf(error);
  }
}
