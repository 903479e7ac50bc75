/** Lays out the volumes of a pod, for pod.sh. */

import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PodOptions } from './pod.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Returns what pod.sh reads, a line a volume. Volumes of Secrets that are not given are empty, as those that are optional. */
export async function layOutVolumes(options: PodOptions): Promise<string[]> {
  const { lab, deployment, directory, secrets = {} } = options;
  const { spec } = deployment.spec.template;
  const namespace = deployment.metadata.namespace ?? '';
  const token = await lab.serviceAccountToken(namespace, spec.serviceAccountName);
  const files = { token, namespace, 'ca.crt': await readFile(lab.ca, 'utf8') };
  const gid = spec.securityContext.runAsGroup;
  const lines = [
    `secret ${await secretVolume(join(directory, 'service-account'), files, gid)} ${SERVICE_ACCOUNT}`,
  ];
  for (const { name, mountPath } of spec.containers[0].volumeMounts) {
    const volume = spec.volumes.find((candidate) => candidate.name === name);
    if (volume?.emptyDir) lines.push(`tmpfs ${volume.emptyDir.sizeLimit.replace('i', '')} ${mountPath}`);
    if (volume?.secret) {
      const content = secrets[volume.secret.secretName] ?? {};
      lines.push(`secret ${await secretVolume(join(directory, name), content, gid)} ${mountPath}`);
    }
  }
  return lines;
}

/** Lays out a volume as the kubelet does with fsGroup: owned by root, readable by the group. */
async function secretVolume(
  path: string,
  files: Readonly<Record<string, string>>,
  gid: number,
): Promise<string> {
  await mkdir(path, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(path, name), content, { mode: 0o440 });
    await chown(join(path, name), 0, gid);
  }
  await chmod(path, 0o755);
  return path;
}
