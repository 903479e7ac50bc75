/** Builds the Kubernetes programs of a node. */

import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { cached } from '../cache.ts';
import { KUBERNETES_VERSION, kubernetesPrograms } from '../kube/binaries.ts';

/** Which versions a node is made of; kubeadm of this Kubernetes asks for images of these tags. */
export const NODE_VERSIONS = {
  kubernetes: KUBERNETES_VERSION,
  etcd: '3.6.8',
  etcdTag: '3.6.8-0',
  pauseTag: '3.10.2',
  /** The Go module proxy does not serve the version of the tag. */
  coredns: '1.14.3',
  corednsTag: 'v1.14.2',
} as const;

const KUBERNETES = [
  'kubeadm',
  'kubelet',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
] as const;

const COREDNS = join(import.meta.dirname, 'coredns.go');

/** Paths of the programs of a node. */
export type NodePrograms = Readonly<Record<(typeof KUBERNETES)[number] | 'etcd' | 'coredns', string>>;

/**
 * Builds the programs from their Go modules, once for each version: ten minutes of CPU, less for what the lab's API server has left in Go's
 * own cache. They are kept in the cache.
 */
export async function nodePrograms(progress: (line: string) => void): Promise<NodePrograms> {
  const kubernetes = await kubernetesPrograms(KUBERNETES, progress);
  const { etcd, coredns } = NODE_VERSIONS;
  return {
    ...kubernetes,
    etcd: await buildProgram({ name: 'etcd', module: 'go.etcd.io/etcd/server/v3', version: etcd, progress }),
    coredns: await buildProgram({
      name: 'coredns',
      module: 'github.com/coredns/coredns',
      version: coredns,
      main: COREDNS,
      progress,
    }),
  };
}

interface GoProgram {
  readonly name: string;
  readonly module: string;
  readonly version: string;
  /** A Go file that is built in place of the module's own program. */
  readonly main?: string;
  readonly progress: (line: string) => void;
}

/** Builds the program at the root of a module. */
async function buildProgram({ name, module, version, main, progress }: GoProgram): Promise<string> {
  const directory = await cached(`${name}-${version}`, async (target) => {
    progress(`building ${name} ${version} (minutes, once)`);
    const work = await mkdtemp(join(tmpdir(), 'caplv-node-build-'));
    try {
      await writeFile(join(work, 'go.mod'), `module caplv-lab\ngo 1.25\nrequire ${module} v${version}\n`);
      if (main) await copyFile(main, join(work, 'main.go'));
      const env = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', CGO_ENABLED: '0' };
      const flags = ['-trimpath', '-ldflags', '-s -w', '-o', join(target, name)];
      await execa('nice', ['-n', '10', 'go', 'build', ...flags, main ? '.' : module], {
        cwd: work,
        env,
        stdin: 'ignore',
      });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return join(directory, name);
}
