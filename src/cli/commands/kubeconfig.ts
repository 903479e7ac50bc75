/** `caplv kubeconfig`: the kubeconfig of a workload cluster, as its Secret has it. */

import { ClusterKind } from '../../api/kinds/cluster.ts';
import { isCalled } from '../../api/kinds/names.ts';
import { SecretKind, secretValue } from '../../api/kinds/secret.ts';
import { messageOf, TerminalError } from '../../errors.ts';
import { writeAtomically } from '../../system/atomic-file.ts';
import { EXIT } from '../output/exit-code.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { withSession } from '../session/session.ts';

export interface KubeconfigFlags extends ClusterFlags {
  /** A file, in place of stdout. */
  readonly output?: string;
}

/** `text`: NAME or cluster/NAME. */
export async function writeKubeconfig(text: string, flags: KubeconfigFlags): Promise<number> {
  const cluster = clusterNamed(text);
  return withSession(flags, async ({ store, config: { namespace }, terminal }) => {
    const name = `${cluster}-kubeconfig`;
    const secret = await store.get(SecretKind, { namespace, name });
    const text = secret && secretValue(secret, 'value');
    if (!text) throw notThere(cluster, `${namespace}/${name}`, secret !== undefined);
    if (flags.output === undefined) {
      terminal.out(text);
      return EXIT.ok;
    }
    await write(flags.output, text);
    terminal.say(`${flags.output}: kubeconfig of cluster ${cluster}, for you alone`);
    return EXIT.ok;
  });
}

function clusterNamed(text: string): string {
  const [kindName = '', name] = text.split('/');
  if (name === undefined) return text;
  if (isCalled(ClusterKind, kindName) && text === `${kindName}/${name}`) return name;
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `"${text}" names no Cluster`,
    fix: 'write NAME or cluster/NAME',
  });
}

function notThere(cluster: string, secret: string, isEmpty: boolean): TerminalError {
  return new TerminalError({
    code: 'NotFound',
    message: `the kubeconfig of cluster ${cluster} is not there yet: Secret ${secret} ${isEmpty ? 'has no key "value"' : 'does not exist'}`,
    fix:
      'with the current Cluster API its control plane provider writes it, when the control plane was initialized; of other clusters put ' +
      "the control plane's /etc/kubernetes/admin.conf into the key `value` of that Secret",
  });
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeAtomically(path, text);
  } catch (cause) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path: '--output',
      message: `${path} cannot be written: ${messageOf(cause)}`,
      fix: 'name a file in a directory that exists and that you may write to',
      cause,
    });
  }
}
