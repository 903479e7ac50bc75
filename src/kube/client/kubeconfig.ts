/** Reads kubeconfigs: files of the user, and texts that somebody else wrote, which may name no files or programs. */

import { existsSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { isMapping } from '../../apimachinery/mapping.ts';
import { TerminalError } from '../../errors.ts';
import type { ConnectGuard } from '../../system/network/guarded-agent.ts';
import { parseYamlDocument, UnreadableYaml, YAML_BYTES } from '../../system/yaml-document.ts';
import { type ClusterConfig, type Connection, connectionOf, type UserConfig } from './connection.ts';

export interface ConnectionChoice {
  /** Path of a kubeconfig; else $KUBECONFIG, ~/.kube/config, and at last the service account of the pod. */
  readonly kubeconfig?: string;
  readonly context?: string;
}

interface ContextConfig {
  readonly cluster: string;
  readonly user: string;
  readonly namespace?: string;
}

interface KubeconfigFile {
  readonly 'current-context'?: string;
  readonly clusters?: readonly { readonly name: string; readonly cluster: ClusterConfig }[];
  readonly users?: readonly { readonly name: string; readonly user: UserConfig }[];
  readonly contexts?: readonly { readonly name: string; readonly context: ContextConfig }[];
}

/** Limits the size of a kubeconfig that somebody else wrote. */
export const KUBECONFIG_BYTES = YAML_BYTES;

/** Names that a message lists at most, and characters of each: somebody else may have written them. */
const SHOWN = 10;
const SHOWN_CHARACTERS = 100;

const FIX = {
  file: 'name the kubeconfig of a cluster, as kubectl uses it, that you may read',
  context: 'choose a context: kubectl config --kubeconfig FILE get-contexts, then use-context NAME',
  files: 'make the files that the kubeconfig names readable, and its server a URL: https://HOST:PORT',
} as const;

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Loads the connection that the user chose. Throws TerminalError InvalidConfiguration, which names the file and its fault. */
export async function loadConnection(choice: ConnectionChoice = {}): Promise<Connection> {
  const paths = kubeconfigPaths(choice.kubeconfig);
  if (paths.length === 0) return inClusterConnection();

  // Where several files define one name, the first wins, as in kubectl.
  const { cluster, user, namespace, name } = choose(paths.map(readKubeconfig), choice, paths.join(delimiter));
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
  const { cluster, user, namespace } = choose([parseKubeconfig(text, where)], {}, where);
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

function choose(
  files: readonly KubeconfigFile[],
  choice: ConnectionChoice,
  where: string,
): {
  readonly cluster: ClusterConfig;
  readonly user: UserConfig;
  readonly namespace: string;
  readonly name: string;
} {
  const name = choice.context ?? files.find((file) => file['current-context'])?.['current-context'];
  if (!name) throw unusable(where, 'no current-context; choose a context', FIX.context);
  const context = find(
    files.flatMap((file) => file.contexts ?? []),
    'context',
    name,
    where,
  ).context;
  const { cluster } = find(
    files.flatMap((file) => file.clusters ?? []),
    'cluster',
    context.cluster,
    where,
  );
  const { user } = find(
    files.flatMap((file) => file.users ?? []),
    'user',
    context.user,
    where,
  );
  return { cluster, user, namespace: context.namespace ?? 'default', name };
}

/** Returns the files that a connection is read from; empty: only the pod's service account is left. */
export function kubeconfigPaths(explicit: string | undefined): string[] {
  if (explicit) return [resolve(explicit)];
  if (process.env['KUBECONFIG'])
    return process.env['KUBECONFIG'].split(delimiter).filter((path) => existsSync(path));
  const path = join(homedir(), '.kube', 'config');
  return existsSync(path) ? [path] : [];
}

function readKubeconfig(path: string): KubeconfigFile {
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

function parseKubeconfig(text: string, where: string): KubeconfigFile {
  const file = parseYaml(text, where);
  if (file === null || file === undefined) throw unusable(where, 'empty kubeconfig', FIX.file);
  const lists = ['clusters', 'users', 'contexts'] as const;
  const isKubeconfig =
    isMapping(file) &&
    lists.every((list) => file[list] === undefined || file[list] === null || isListOf(file[list], list));
  if (!isKubeconfig) throw unusable(where, 'not a kubeconfig', FIX.file);
  return file as KubeconfigFile;
}

/** Returns true for a list of named mappings, such as `users: [{name, user}]`. */
function isListOf(value: unknown, list: string): boolean {
  const field = list.slice(0, -1);
  return (
    Array.isArray(value) &&
    value.every((one) => isMapping(one) && typeof one['name'] === 'string' && isMapping(one[field]))
  );
}

function parseYaml(text: string, where: string): unknown {
  try {
    const { value, warning } = parseYamlDocument(text);
    if (warning) throw warning;
    return value;
  } catch (error) {
    if (error instanceof UnreadableYaml) throw notYaml(where, error.message);
    throw error;
  }
}

/** Makes the error for a text that is not YAML, without the lines around the fault, which may hold credentials. */
function notYaml(where: string, message: string): TerminalError {
  const [first = ''] = message.split('\n');
  return unusable(where, `not YAML: ${shown(first.replace(/:$/, ''))}`, FIX.file);
}

function find<E extends { readonly name: string }>(
  entries: readonly E[],
  what: string,
  name: string,
  where: string,
): E {
  const entry = entries.find((candidate) => candidate.name === name);
  if (!entry)
    throw unusable(
      where,
      `no ${what} named ${shown(name)}; there are: ${
        entries
          .map((e) => shown(e.name))
          .slice(0, SHOWN)
          .join(', ') || 'none'
      }`,
      FIX.context,
    );
  return entry;
}

function shown(name: string): string {
  return String(name).slice(0, SHOWN_CHARACTERS);
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

function unusable(where: string, message: string, fix: string, cause?: unknown): TerminalError {
  return new TerminalError({ code: 'InvalidConfiguration', message: `${where}: ${message}`, fix, cause });
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
