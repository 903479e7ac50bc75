/** Builds Cluster API's managers and clusterctl, and collects their manifests. */

import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { cached } from '../cache.ts';
import { kubeBinaries } from '../kube/binaries.ts';
import { PROVIDERS, type Provider } from './providers.ts';

const CORE = PROVIDERS[0] as Provider;

/** Upstream's programs and manifests, unmodified. */
export interface CapiPrograms {
  readonly clusterctl: string;
  /** Path of a provider's manager. */
  manager(provider: Provider): string;
  /** Path of a provider's objects, in clusterctl's layout `<label>/v<version>/<file>`. */
  components(provider: Provider): string;
}

/**
 * Builds Cluster API's managers, clusterctl and their manifests from the Go modules: eight minutes on two cores, once for each
 * version. They are kept in the cache.
 */
export async function capiPrograms(progress: (line: string) => void = () => {}): Promise<CapiPrograms> {
  const directories = new Map<string, string>();
  for (const { module, version } of PROVIDERS) {
    if (directories.has(module)) continue;
    const providers = PROVIDERS.filter((provider) => provider.module === module);
    directories.set(
      module,
      await cached(`${module.split('/').at(-1)}-${version}`, (directory) =>
        build(directory, providers, progress),
      ),
    );
  }
  const directoryOf = ({ module }: Provider) => directories.get(module) ?? '';
  return {
    clusterctl: join(directoryOf(CORE), 'bin/clusterctl'),
    manager: (provider) => join(directoryOf(provider), 'bin', provider.label),
    components: (provider) =>
      join(directoryOf(provider), 'repository', provider.label, `v${provider.version}`, provider.components),
  };
}

/** Builds what the providers of one module need into the directory. */
async function build(
  directory: string,
  providers: readonly Provider[],
  progress: (line: string) => void,
): Promise<void> {
  const [{ module, version }] = providers as [Provider];
  const work = await mkdtemp(join(tmpdir(), 'caplv-capi-build-'));
  try {
    const go = execa({ cwd: work, env: { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', CGO_ENABLED: '0' } });
    const source = await downloadModule(module, version);
    const { stdout: goVersion } = await go`go mod edit -json ${source.GoMod}`;
    await writeFile(
      join(work, 'go.mod'),
      goMod(module, version, (JSON.parse(goVersion) as { Go: string }).Go),
    );

    const flags = `-s -w -X ${CORE.module}/version.gitVersion=v${CORE.version}`;
    const compile = async (name: string, path: string) => {
      progress(`building ${name} ${version} (minutes, once)`);
      await go`nice -n 10 go build -trimpath -ldflags ${flags} -o ${join(directory, 'bin', name)} ${path}`;
    };
    for (const { label, main } of providers) await compile(label, join(module, main));
    if (module === CORE.module) await compile('clusterctl', `${module}/cmd/clusterctl`);

    const { kubectl } = await kubeBinaries(progress);
    for (const provider of providers) {
      const release = join(directory, 'repository', provider.label, `v${version}`);
      await mkdir(release, { recursive: true });
      const { stdout: manifests } = await execa`${kubectl} kustomize ${join(source.Dir, provider.manifests)}`;
      await writeFile(join(release, provider.components), manifests);
      await copyFile(join(source.Dir, 'metadata.yaml'), join(release, 'metadata.yaml'));
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Fetches a Go module; returns the directory of its source, and its go.mod. */
export async function downloadModule(
  module: string,
  version: string,
): Promise<{ readonly Dir: string; readonly GoMod: string }> {
  // Outside of any module of ours.
  const { stdout } = await execa({ cwd: tmpdir() })`go mod download -json ${module}@v${version}`;
  return JSON.parse(stdout) as { Dir: string; GoMod: string };
}

/** Cluster API requires its own API module at v0.0.0 and replaces it by a path, which only works in its repository. */
function goMod(module: string, version: string, go: string): string {
  const lines = ['module caplv-lab', `go ${go}`, `require ${module} v${version}`];
  if (module === CORE.module) lines.push(`replace ${module}/api => ${module}/api v${version}`);
  return `${lines.join('\n')}\n`;
}
