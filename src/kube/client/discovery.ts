/** Tells whether an API server serves the kinds that a controller works with. */

import type { ResourceKind } from '../../apimachinery/object.ts';
import { apiVersionOf } from '../../apimachinery/object-key.ts';
import { ApiError } from './api-error.ts';
import type { Client } from './client.ts';

/** Returns true if the API server serves all of these kinds in these versions. Sends one request for each group. */
export async function servesAll(
  client: Pick<Client, 'raw'>,
  kinds: readonly ResourceKind[],
): Promise<boolean> {
  const groups = [...new Set(kinds.map(apiVersionOf))];
  for (const group of groups) {
    const served = await resourcesOf(client, group);
    const wanted = kinds.filter((kind) => apiVersionOf(kind) === group);
    if (!wanted.every(({ plural }) => served.has(plural))) return false;
  }
  return true;
}

/** Returns whether the API server has a kind of that name in any version of the group, with or without the right to use it. */
export async function servesKind(
  client: Pick<Client, 'raw'>,
  { apiGroup, kind }: { readonly apiGroup: string; readonly kind: string },
): Promise<boolean> {
  const { versions = [] } = await answerOf<{ versions: readonly { readonly groupVersion: string }[] }>(
    client,
    `/apis/${apiGroup}`,
  );
  for (const { groupVersion } of versions) {
    const { resources = [] } = await answerOf<ResourceList>(client, `/apis/${groupVersion}`);
    if (resources.some((one) => one.kind === kind)) return true;
  }
  return false;
}

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string }[];
}

/** Returns the plural names of the resources of a group and version. */
async function resourcesOf(client: Pick<Client, 'raw'>, apiVersion: string): Promise<ReadonlySet<string>> {
  const { resources } = await answerOf<ResourceList>(client, `/apis/${apiVersion}`);
  return new Set(resources?.map(({ name }) => name));
}

/** Returns what the API server says of a group or a version; nothing if it has none of that name. */
async function answerOf<T>(client: Pick<Client, 'raw'>, path: string): Promise<Partial<T>> {
  try {
    return JSON.parse(await client.raw('GET', path)) as T;
  } catch (error) {
    // Where discovery is forbidden, reading the objects is, too.
    if (error instanceof ApiError && (error.code === 404 || error.code === 403)) return {};
    throw error;
  }
}
