/** Parses the text of a kubeconfig, and chooses cluster and user by its context. */

import { isMapping } from '../../apimachinery/mapping.ts';
import { TerminalError } from '../../errors.ts';
import { parseYamlDocument, UnreadableYaml } from '../../system/yaml-document.ts';
import type { ClusterConfig, UserConfig } from './connection.ts';

export interface ContextChoice {
  /** Name of the context; absent: the current one. */
  readonly context?: string;
}

interface ContextConfig {
  readonly cluster: string;
  readonly user: string;
  readonly namespace?: string;
}

/** Holds what is read of a kubeconfig. */
export interface Kubeconfig {
  readonly 'current-context'?: string;
  readonly clusters?: readonly { readonly name: string; readonly cluster: ClusterConfig }[];
  readonly users?: readonly { readonly name: string; readonly user: UserConfig }[];
  readonly contexts?: readonly { readonly name: string; readonly context: ContextConfig }[];
}

/** Limits the names in a message, and the characters of each: somebody else may have written them. */
const SHOWN = 10;
const SHOWN_CHARACTERS = 100;

/** What to do about a kubeconfig that cannot be used. */
export const FIX = {
  file: 'name the kubeconfig of a cluster, as kubectl uses it, that you may read',
  context: 'choose a context: kubectl config --kubeconfig FILE get-contexts, then use-context NAME',
  files: 'make the files that the kubeconfig names readable, and its server a URL: https://HOST:PORT',
} as const;

/** Returns cluster and user of the chosen context. Where several files define one name, the first wins, as in kubectl. Throws as `unusable`. */
export function chooseContext(
  files: readonly Kubeconfig[],
  choice: ContextChoice,
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

/** Parses a kubeconfig; `where` it was found. Throws as `unusable`. */
export function parseKubeconfig(text: string, where: string): Kubeconfig {
  const file = parseYaml(text, where);
  if (file === null || file === undefined) throw unusable(where, 'empty kubeconfig', FIX.file);
  const lists = ['clusters', 'users', 'contexts'] as const;
  const isKubeconfig =
    isMapping(file) &&
    lists.every((list) => file[list] === undefined || file[list] === null || isListOf(file[list], list));
  if (!isKubeconfig) throw unusable(where, 'not a kubeconfig', FIX.file);
  return file as Kubeconfig;
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

/** Makes the TerminalError InvalidConfiguration for a kubeconfig that cannot be used. */
export function unusable(where: string, message: string, fix: string, cause?: unknown): TerminalError {
  return new TerminalError({ code: 'InvalidConfiguration', message: `${where}: ${message}`, fix, cause });
}
