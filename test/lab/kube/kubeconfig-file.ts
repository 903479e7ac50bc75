/** Writes a kubeconfig. */

import { readFile, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';

export interface KubeconfigFileOptions {
  readonly path: string;
  readonly server: string;
  readonly caPath: string;
  readonly user: string;
  /** As in `users[].user` of a kubeconfig. */
  readonly credentials: Readonly<Record<string, string>>;
}

/** A kubeconfig of one user that needs no other file. Mode 0600. */
export async function writeKubeconfig({
  path,
  server,
  caPath,
  user,
  credentials,
}: KubeconfigFileOptions): Promise<void> {
  const ca = await readFile(caPath);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lab',
    clusters: [{ name: 'lab', cluster: { server, 'certificate-authority-data': ca.toString('base64') } }],
    users: [{ name: user, user: credentials }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user, namespace: 'default' } }],
  };
  await writeFile(path, stringify(config), { mode: 0o600 });
}
