/** Makes connections from kubeconfigs: files of the user, and texts that somebody else wrote, which may name no files or programs. */

import { existsSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { TerminalError } from '../../errors.ts';
import type { ConnectGuard } from '../../system/network/guarded-agent.ts';
import { YAML_BYTES } from '../../system/yaml-document.ts';
import { type Connection, connectionOf } from './connection.ts';
import {
  type ContextChoice,
  chooseContext,
  FIX,
  type Kubeconfig,
  parseKubeconfig,
  unusable,
} from './kubeconfig-text.ts';

export interface ConnectionChoice extends ContextChoice {
  /** Path of a kubeconfig; else $KUBECONFIG, ~/.kube/config, and at last the service account of the pod. */
  readonly kubeconfig?: string;
}

/** Limits the size of a kubeconfig that somebody else wrote. */
export const KUBECONFIG_BYTES = YAML_BYTES;

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Loads the connection that the user chose. Throws TerminalError InvalidConfiguration, which names the file and its fault. */
export async function loadConnection(choice: ConnectionChoice = {}): Promise<Connection> {
  const paths = kubeconfigPaths(choice.kubeconfig);
  if (paths.length === 0) return inClusterConnection();

  const { cluster, user, namespace, name } = chooseContext(
    paths.map(readKubeconfig),
    choice,
    paths.join(delimiter),
  );
  // client-node's KubeConfig costs 0.8 s and 85 MB (it imports every generated API): only where nothing less will do.
  if (cluster['proxy-url'] || user['auth-provider']) return clientNodeConnection(paths, name, namespace);
  try {
    return connectionOf(cluster, user, namespace);
  } catch (error) {
    throw unusable(paths.join(delimiter), `context ${name}: ${reasonOf(error)}`, FIX.files, error);
  }
}

/**
 * Makes a connection from the text of a kubeconfig; `where` says where it was found. The text must contain its credentials: it is
 * refused if it names files or programs of this machine, which its author may not be allowed to use, and if it does not verify its server.
 * @param guard checks each address before a connection
 */
export function connectionFromText(text: string, where: string, guard: ConnectGuard): Connection {
  if (Buffer.byteLength(text) > KUBECONFIG_BYTES)
    throw new Error(`${where}: a kubeconfig of more than ${KUBECONFIG_BYTES} bytes`);
  const { cluster, user, namespace } = chooseContext([parseKubeconfig(text, where)], {}, where);
  const outside = [
    ...(['certificate-authority', 'proxy-url'] as const).filter((field) => cluster[field] !== undefined),
    ...(['client-certificate', 'client-key', 'tokenFile', 'exec', 'auth-provider'] as const).filter(
      (field) => user[field] !== undefined,
    ),
  ];
  if (outside.length > 0)
    throw new Error(`${where}: a kubeconfig must hold its credentials itself, without ${outside.join(', ')}`);
  const used: Readonly<Record<string, unknown>> = { ...cluster, ...user, namespace };
  for (const field of TEXT_FIELDS) {
    if (used[field] !== undefined && typeof used[field] !== 'string')
      throw new Error(`${where}: ${field} must be a string`);
  }
  if (cluster['insecure-skip-tls-verify'])
    throw new Error(
      `${where}: insecure-skip-tls-verify must not be set; put the CA into certificate-authority-data`,
    );
  const connection = connectionOf(cluster, user, namespace);
  if (connection.server.protocol !== 'https:')
    throw new Error(`${where}: its server must be an https:// URL`);
  return { ...connection, guard };
}

/** Fields of cluster, user and context that a connection is made of. */
const TEXT_FIELDS = [
  'server',
  'certificate-authority-data',
  'tls-server-name',
  'client-certificate-data',
  'client-key-data',
  'token',
  'username',
  'password',
  'namespace',
];

/** Returns the files that a connection is read from; empty: only the pod's service account is left. */
export function kubeconfigPaths(explicit: string | undefined): string[] {
  if (explicit) return [resolve(explicit)];
  if (process.env['KUBECONFIG'])
    return process.env['KUBECONFIG'].split(delimiter).filter((path) => existsSync(path));
  const path = join(homedir(), '.kube', 'config');
  return existsSync(path) ? [path] : [];
}

function readKubeconfig(path: string): Kubeconfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw unusable(path, reasonOf(error, path), FIX.file, error);
  }
  const file = parseKubeconfig(text, path);
  const absolute = (relative: string | undefined) => relative && resolve(dirname(path), relative);
  return {
    ...file,
    clusters: file.clusters?.map(({ name, cluster }) => ({
      name,
      cluster: { ...cluster, 'certificate-authority': absolute(cluster['certificate-authority']) },
    })),
    users: file.users?.map(({ name, user }) => ({
      name,
      user: {
        ...user,
        'client-certificate': absolute(user['client-certificate']),
        'client-key': absolute(user['client-key']),
        tokenFile: absolute(user.tokenFile),
      },
    })),
  };
}

function inClusterConnection(): Connection {
  const host = process.env['KUBERNETES_SERVICE_HOST'];
  const port = process.env['KUBERNETES_SERVICE_PORT'];
  if (!host)
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: 'no API server is known: there is no kubeconfig and no service account of a pod',
      fix: 'name a kubeconfig with --kubeconfig or KUBECONFIG, or run in a pod with a service account',
    });
  return connectionOf(
    {
      server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
      'certificate-authority': `${SERVICE_ACCOUNT}/ca.crt`,
    },
    { tokenFile: `${SERVICE_ACCOUNT}/token` },
    readFileSync(`${SERVICE_ACCOUNT}/namespace`, 'utf8').trim(),
  );
}

async function clientNodeConnection(
  paths: readonly string[],
  context: string,
  namespace: string,
): Promise<Connection> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const config = new KubeConfig();
  for (const path of paths) {
    const file = new KubeConfig();
    file.loadFromFile(path);
    config.mergeConfig(file, true);
  }
  config.setCurrentContext(context);
  return {
    server: new URL(config.getCurrentCluster()?.server ?? ''),
    namespace,
    requestOptions: async () => {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      return options;
    },
  };
}

/** Explains why a system call failed; names the file, unless `where` does. */
function reasonOf(error: unknown, where?: string): string {
  const { code, path, message } = error as NodeJS.ErrnoException;
  const file = path === undefined || path === where ? '' : ` (${path})`;
  switch (code) {
    case 'ENOENT':
      return `there is no such file${file}`;
    case 'EACCES':
      return `no permission to read this file${file}`;
    case 'EISDIR':
      return `this is a directory${file}`;
    case 'ERR_INVALID_URL':
      return 'its cluster has no valid server';
    default:
      return message;
  }
}
