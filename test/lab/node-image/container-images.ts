/** Builds the container images of a Kubernetes node. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, cp, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { NODE_VERSIONS, type NodePrograms } from './node-programs.ts';

const KUBE_PROXY_ROOT = join(import.meta.dirname, 'kube-proxy-root.sh');
const REGISTRY = 'registry.k8s.io';
const BUSYBOX = '/bin/busybox';

/** The image of test pods: busybox of this machine, with a few of its commands by name. */
export const BUSYBOX_IMAGE = 'docker.io/library/busybox:lab';
const BUSYBOX_COMMANDS = ['sh', 'httpd', 'sleep', 'wget', 'cat', 'mkdir'];

interface ContainerImage {
  readonly tag: string;
  /** Paths in the image (without `/`), and of what they are copies. */
  readonly files: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** A directory whose content the image begins with. */
  readonly tree?: string;
  readonly entrypoint?: readonly string[];
}

/**
 * Writes one archive of all images that kubeadm of this version starts, in the format of `docker save`; returns its path. Each
 * has one layer. `root`: the tree of the node, whose iptables kube-proxy gets.
 */
export async function containerImages(
  scratch: string,
  root: string,
  programs: NodePrograms,
): Promise<string> {
  const work = join(scratch, 'images');
  await mkdir(work);
  const proxyRoot = join(scratch, 'kube-proxy');
  await execa(KUBE_PROXY_ROOT, [root, proxyRoot]);
  const manifest = [];
  for (const image of imagesOf(programs, proxyRoot)) manifest.push(await writeImage(work, image));
  await writeFile(join(work, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(scratch, 'images.tar');
  await execa('tar', ['-C', work, '-cf', archive, '.']);
  for (const directory of [work, proxyRoot]) await rm(directory, { recursive: true });
  return archive;
}

function imagesOf(programs: NodePrograms, proxyRoot: string): ContainerImage[] {
  const { kubernetes, etcdTag, pauseTag, corednsTag } = NODE_VERSIONS;
  const controlPlane = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
  return [
    ...controlPlane.map((name) => ({
      tag: `${REGISTRY}/${name}:v${kubernetes}`,
      files: { [`usr/local/bin/${name}`]: programs[name] },
      entrypoint: [`/usr/local/bin/${name}`],
    })),
    { tag: `${REGISTRY}/etcd:${etcdTag}`, files: { 'usr/local/bin/etcd': programs.etcd } },
    {
      tag: `${REGISTRY}/pause:${pauseTag}`,
      files: { busybox: BUSYBOX },
      links: { sleep: 'busybox' },
      entrypoint: ['/sleep', '2147483647'],
    },
    {
      tag: `${REGISTRY}/coredns/coredns:${corednsTag}`,
      files: { coredns: programs.coredns },
      entrypoint: ['/coredns'],
    },
    {
      tag: `${REGISTRY}/kube-proxy:v${kubernetes}`,
      files: { 'usr/local/bin/kube-proxy': programs['kube-proxy'] },
      tree: proxyRoot,
    },
    {
      tag: BUSYBOX_IMAGE,
      files: { 'bin/busybox': BUSYBOX },
      links: Object.fromEntries(BUSYBOX_COMMANDS.map((name) => [`bin/${name}`, 'busybox'])),
    },
  ];
}

/** Returns what the archive's manifest says of the image. */
async function writeImage(work: string, image: ContainerImage): Promise<object> {
  const root = join(work, '.root');
  await mkdir(root);
  if (image.tree) await execa('cp', ['-a', `${image.tree}/.`, root]);
  for (const directory of ['tmp', 'etc']) await mkdir(join(root, directory), { recursive: true });
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/root:/\nnonroot:x:65532:65532::/:/\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n');
  for (const [path, source] of Object.entries(image.files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await cp(source, join(root, path));
    await chmod(join(root, path), 0o755);
  }
  for (const [path, target] of Object.entries(image.links ?? {})) await symlink(target, join(root, path));

  const layer = join(work, '.layer');
  const reproducible = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name', '--mtime=@0'];
  await execa('tar', ['-C', root, ...reproducible, '-cf', layer, '.']);
  await rm(root, { recursive: true });
  const digest = await sha256Of(layer);
  await rename(layer, join(work, `${digest}.tar`));
  const created = '1970-01-01T00:00:00Z';
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created,
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      Entrypoint: image.entrypoint,
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    history: [{ created, created_by: 'caplv-lab' }],
  });
  const configFile = `${createHash('sha256').update(config).digest('hex')}.json`;
  await writeFile(join(work, configFile), config);
  return { Config: configFile, RepoTags: [image.tag], Layers: [`${digest}.tar`] };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
