/**
 * Networks and pools of a host as they go to another management cluster: their resources in the Terraform state, as JSON. Whoever may
 * write Secrets in a namespace may write this, so nothing of it counts but resources of the names that are asked for. Pure.
 */

import * as z from 'zod';
import {
  type ImportedObject,
  isSame,
  objectsOfHost,
  type StackObject,
} from '../../../stacks/import-stack.ts';
import type { PartNames } from '../../intent/hosted-intent.ts';
import { shapeOf } from './handed-over.ts';

/** Characters of the resources of one host; a network has some 1,000. */
const CHARACTERS = 262_144;

/** Other fields, such as what Terraform is to destroy along with a resource, are left out. */
const resource = z.object({
  mode: z.literal('managed'),
  type: z.string(),
  name: z.string(),
  instances: z.tuple([
    z.object({
      schema_version: z.int(),
      attributes: z.record(z.string(), z.unknown()),
      sensitive_attributes: z.array(z.unknown()).optional(),
      dependencies: z.array(z.string()).optional(),
    }),
  ]),
});
const schema = z.array(resource).max(1_000);

type MovedResource = z.output<typeof resource>;

const PROVIDERS: Readonly<Record<string, string>> = {
  libvirt_network: 'provider["registry.terraform.io/dmacvicar/libvirt"]',
  libvirt_pool: 'provider["registry.terraform.io/dmacvicar/libvirt"]',
  terraform_data: 'provider["terraform.io/builtin/terraform"]',
};

/** The networks and pools of those names, as a stack declares them. */
export function objectsNamed({ networks, pools }: PartNames): StackObject[] {
  const named = (names: readonly string[]) => names.map((name) => ({ name }));
  return objectsOfHost({ networks: named(networks), pools: named(pools), images: [] });
}

/** Returns what a state, given as text, has of those objects; undefined: nothing. */
export function movedParts(state: string, objects: readonly StackObject[]): string | undefined {
  if (state.trim() === '') return undefined;
  const { resources } = JSON.parse(state) as { readonly resources: readonly unknown[] };
  const known = resources.flatMap((one) => resource.safeParse(one).data ?? []);
  const parts = known.filter((one) => objects.some((object) => isSame(object, one)));
  if (parts.length === 0) return undefined;
  return JSON.stringify([...known.filter((one) => isShapeOf(one, parts)), ...parts]);
}

/** Returns the resources of objects that are on the host: by name and UUID. Anything else in the text is left out. */
export function readMovedParts(text: string, there: readonly ImportedObject[]): MovedResource[] {
  const all = text.length > CHARACTERS ? undefined : parse(text);
  const parts = (all ?? []).filter((one) =>
    there.some((object) => isSame(object, one) && one.instances[0].attributes['id'] === object.id),
  );
  return [...(all ?? []).filter((one) => isShapeOf(one, parts)), ...parts];
}

function parse(text: string): MovedResource[] | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function isShapeOf({ type, name }: MovedResource, parts: readonly MovedResource[]): boolean {
  return parts.some((one) => one.type === 'libvirt_network' && shapeOf(one.name) === `${type}.${name}`);
}

/** A state of those resources alone. */
export function stateOf(resources: readonly MovedResource[], lineage: string): string {
  return JSON.stringify({
    version: 4,
    terraform_version: '1.5.0',
    serial: 0,
    lineage,
    outputs: {},
    resources: resources.map((one) => ({ ...one, provider: PROVIDERS[one.type] })),
  });
}
