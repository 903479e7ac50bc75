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

/** Returns the plural names of the resources of a group and version. */
async function resourcesOf(client: Pick<Client, 'raw'>, apiVersion: string): Promise<ReadonlySet<string>> {
  try {
    const answer = JSON.parse(await client.raw('GET', `/apis/${apiVersion}`)) as {
      readonly resources?: readonly { readonly name: string }[];
    };
    return new Set(answer.resources?.map(({ name }) => name));
  } catch (error) {
    // Where discovery is forbidden, reading the objects is, too.
    if (error instanceof ApiError && (error.code === 404 || error.code === 403)) return new Set();
    throw error;
  }
}
