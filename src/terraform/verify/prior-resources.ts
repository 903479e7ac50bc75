/** What of a state its provider is asked about. */

import * as z from 'zod';
import { parseState } from '../format/state.ts';

/** A resource as it stands in a state. Attributes hold user data: never log them. */
export interface PriorResource {
  readonly type: string;
  readonly schemaVersion: number;
  /** The attributes, in JSON. */
  readonly attributes: string;
  readonly private: Buffer;
}

/** Of these the provider of 0.8.3 plans by what it reads alone: neither has a plan that asks libvirt. */
const READ: ReadonlySet<string> = new Set(['libvirt_domain', 'libvirt_volume']);
const LIBVIRT = /^provider\["registry\.(terraform\.io|opentofu\.org)\/dmacvicar\/libvirt"\]$/;
/** Part of Terraform, and nowhere but in its state. */
const BUILT_IN = 'provider["terraform.io/builtin/terraform"]';
/** Beyond this a state in a cluster may have several parts, and one of a machine has 30 KiB. */
const MOST_CHARACTERS = 500_000;

const resource = z.strictObject({
  mode: z.literal('managed'),
  type: z.string(),
  name: z.string(),
  provider: z.string(),
  instances: z.array(
    z.strictObject({
      schema_version: z.int().nonnegative(),
      attributes: z.record(z.string(), z.unknown()),
      sensitive_attributes: z.array(z.unknown()).optional(),
      identity_schema_version: z.int().optional(),
      private: z.base64().optional(),
      dependencies: z.array(z.string()).optional(),
      create_before_destroy: z.boolean().optional(),
    }),
  ),
});

/**
 * Lists what has to be read to know whether a plan would say the same again; undefined: that would not tell, since the state
 * holds something else, or something that is not whole.
 * @throws TerminalError StateCorruptError
 */
export function priorResources(text: string): PriorResource[] | undefined {
  if (text.length > MOST_CHARACTERS || parseState(text) === undefined) return undefined;
  const { data } = z.array(resource).safeParse((JSON.parse(text) as { resources: unknown }).resources);
  if (!data?.every(isKnown)) return undefined;
  return data
    .filter(({ type }) => READ.has(type))
    .flatMap(({ type, instances }) =>
      instances.map((one) => ({
        type,
        schemaVersion: one.schema_version,
        attributes: JSON.stringify(one.attributes),
        private: Buffer.from(one.private ?? '', 'base64'),
      })),
    );
}

function isKnown({ type, provider }: z.infer<typeof resource>): boolean {
  return READ.has(type) ? LIBVIRT.test(provider) : type === 'terraform_data' && provider === BUILT_IN;
}
