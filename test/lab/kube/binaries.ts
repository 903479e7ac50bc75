/** Builds the programs of a Kubernetes control plane. */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory } from '../cache.ts';

export const KUBERNETES_VERSION = '1.36.3';

const COMPONENTS = ['kube-apiserver', 'kube-controller-manager', 'kubectl'] as const;

/** Paths of the programs of a control plane. */
export interface KubeBinaries {
  readonly etcd: string;
  readonly apiServer: string;
  readonly controllerManager: string;
  readonly kubectl: string;
}

/**
 * Finds or makes the programs, under `${XDG_CACHE_HOME:-~/.cache}/caplv`. Kubernetes is built from its Go modules: four
 * minutes on two cores, once; etcd is taken from PATH or unpacked from Debian's package, so that no service is installed.
 */
export async function kubeBinaries(progress: (line: string) => void = () => {}): Promise<KubeBinaries> {
  const programs = await kubernetesPrograms(COMPONENTS, progress);
  return {
    etcd: await findEtcd(cacheDirectory(), progress),
    apiServer: programs['kube-apiserver'],
    controllerManager: programs['kube-controller-manager'],
    kubectl: programs.kubectl,
  };
}

/** Paths of programs of Kubernetes, by the name of their folder in `cmd/`; builds those that are not there yet. */
export async function kubernetesPrograms<Name extends string>(
  names: readonly Name[],
  progress: (line: string) => void = () => {},
): Promise<Record<Name, string>> {
  const directory = join(cacheDirectory(), `kubernetes-${KUBERNETES_VERSION}`);
  const missing = names.filter((name) => !existsSync(join(directory, name)));
  if (missing.length > 0) await buildKubernetes(directory, missing, progress);
  return Object.fromEntries(names.map((name) => [name, join(directory, name)])) as Record<Name, string>;
}

async function buildKubernetes(
  target: string,
  components: readonly string[],
  progress: (line: string) => void,
): Promise<void> {
  await mkdir(target, { recursive: true });
  // Beside the target, and renamed into place at the end: a build that is cut short leaves nothing that looks whole.
  const work = await mkdtemp(join(target, 'building-'));
  try {
    const go = execa({ cwd: work, env: { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', CGO_ENABLED: '0' } });
    const { stdout } = await go`go mod download -json k8s.io/kubernetes@v${KUBERNETES_VERSION}`;
    const { GoMod } = JSON.parse(stdout) as { GoMod: string };
    await writeFile(join(work, 'go.mod'), goMod(await readFile(GoMod, 'utf8')));
    for (const component of components) {
      progress(`building ${component} ${KUBERNETES_VERSION} (minutes, once)`);
      const flags = `-s -w -X k8s.io/component-base/version.gitVersion=v${KUBERNETES_VERSION}`;
      await go`nice -n 10 go build -trimpath -ldflags ${flags} -o ${component} k8s.io/kubernetes/cmd/${component}`;
      await rename(join(work, component), join(target, component));
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Kubernetes requires its own staging modules at v0.0.0 and replaces them by paths, which only work in its repository. */
function goMod(upstream: string): string {
  const staging = [...upstream.matchAll(/^\s*(k8s\.io\/[a-z-]+) v0\.0\.0(?: |$)/gm)].map((match) => match[1]);
  const published = `v0.${KUBERNETES_VERSION.replace(/^1\./, '')}`;
  return [
    'module caplv-lab',
    /^go .*$/m.exec(upstream)?.[0] ?? 'go 1.26',
    `require k8s.io/kubernetes v${KUBERNETES_VERSION}`,
    ...staging.map((module) => `replace ${module} => ${module} ${published}`),
    '',
  ].join('\n');
}

async function findEtcd(cache: string, progress: (line: string) => void): Promise<string> {
  const { stdout, exitCode } = await execa({ reject: false })`which etcd`;
  if (exitCode === 0) return stdout;
  const target = join(cache, 'etcd-debian');
  const etcd = join(target, 'usr/bin/etcd');
  if (existsSync(etcd)) return etcd;

  progress('unpacking etcd-server');
  await mkdir(target, { recursive: true });
  const apt = execa({ cwd: target });
  // The package lists of a fresh machine are empty or old.
  await apt`apt-get download etcd-server`.catch(() =>
    apt`apt-get update`.then(() => apt`apt-get download etcd-server`),
  );
  const [archive] = (await readdir(target)).filter((name) => name.endsWith('.deb'));
  await apt`dpkg-deb -x ${archive ?? ''} .`;
  return etcd;
}
