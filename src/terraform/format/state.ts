/** Parses Terraform states, within limits. */

import * as z from 'zod';
import { TerminalError } from '../../errors.ts';
import { jsonExcess } from '../../system/json-bounds.ts';

/** What Terraform knows of a stack. Attributes hold user data: never log them. */
export interface State {
  readonly serial: number;
  readonly lineage: string;
  readonly resources: readonly StateResource[];
  readonly outputs: Readonly<Record<string, StateOutput>>;
  /** As the resources name them, each once: `provider["registry.terraform.io/dmacvicar/libvirt"]`. `terraform init` installs them. */
  readonly providers: readonly string[];
}

export interface StateResource {
  /** For example `libvirt_domain.domain`. */
  readonly address: string;
  readonly type: string;
  readonly name: string;
  /** Made, but not to the end; the next apply replaces it. */
  readonly tainted: boolean;
  /** As the provider's schema has them; `terraform_data` wraps each dynamic value in `{value, type}`. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface StateOutput {
  readonly value: unknown;
  readonly sensitive: boolean;
}

/** State format version 4: https://developer.hashicorp.com/terraform/language/state */
const schema = z.object({
  version: z.number(),
  serial: z.int().nonnegative(),
  lineage: z.string(),
  outputs: z.record(z.string(), z.object({ value: z.unknown(), sensitive: z.boolean().optional() })),
  resources: z.array(
    z.object({
      module: z.string().optional(),
      mode: z.enum(['managed', 'data']),
      type: z.string(),
      name: z.string(),
      provider: z.string().optional(),
      instances: z.array(
        z.object({
          index_key: z.union([z.string(), z.number()]).optional(),
          status: z.string().optional(),
          attributes: z.record(z.string(), z.unknown()),
        }),
      ),
    }),
  ),
});

/** Characters of a name in a message. */
const SHOWN_CHARACTERS = 200;

type RawState = z.infer<typeof schema>;

/** Bytes of a state. One of a machine has 30 KiB and its user data. */
export const STATE_BYTES = 16 * 2 ** 20;
/** Objects and lists within each other. Attributes of the provider go to about ten. */
export const STATE_DEPTH = 50;
/** Values in a state. That of a machine has about 200, that of a host 30 for each image, network and pool. */
export const STATE_VALUES = 200_000;

/** Terraform and OpenTofu have written this one since 2018. */
const VERSION = 4;

/**
 * @param text of a state; empty: none
 * @param place where it lies, for people
 * @throws TerminalError StateCorruptError
 */
export function parseState(text: string, place = 'memory'): State | undefined {
  if (text.trim() === '') return undefined;
  const raw = rawState(text, place);
  return {
    serial: raw.serial,
    lineage: raw.lineage,
    providers: [...new Set(raw.resources.flatMap(({ provider }) => provider ?? []))],
    resources: raw.resources.filter(({ mode }) => mode === 'managed').flatMap(instances),
    outputs: Object.fromEntries(
      Object.entries(raw.outputs).map(([name, { value, sensitive }]) => [
        name,
        { value, sensitive: sensitive ?? false },
      ]),
    ),
  };
}

function rawState(text: string, place: string): RawState {
  if (text.length > STATE_BYTES)
    throw new StateCorruptError(
      place,
      `it has ${text.length} characters, and at most ${STATE_BYTES} are read`,
    );
  const excess = jsonExcess(text, { depth: STATE_DEPTH, values: STATE_VALUES });
  if (excess === 'depth')
    throw new StateCorruptError(place, `it has more than ${STATE_DEPTH} objects within each other`);
  if (excess === 'values') throw new StateCorruptError(place, `it has more than ${STATE_VALUES} values`);
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    // Without what the parser says: it quotes the text, and that holds secrets.
    throw new StateCorruptError(place, `it is not JSON (${text.length} characters)`, { isCut: true });
  }
  const version = (raw as Partial<RawState> | null)?.version;
  if (version !== VERSION) {
    throw new StateCorruptError(place, `its format has version ${shown(version)}, and not ${VERSION}`);
  }
  const { data, error } = schema.safeParse(raw);
  if (data) return data;
  const [issue] = error.issues;
  // Without the value, which may be secret.
  const field = issue?.path.join('.').slice(0, SHOWN_CHARACTERS);
  throw new StateCorruptError(place, `its field ${field} is missing or has a wrong value`);
}

function shown(version: unknown): string {
  return typeof version === 'number' ? String(version) : 'none';
}

/** A state that nobody can read. Nothing is done with it, so that nothing is lost. */
export class StateCorruptError extends TerminalError {
  /** It is no JSON, as what is left of a write that broke off. */
  readonly isCut: boolean;

  constructor(place: string, why: string, { isCut = false }: { readonly isCut?: boolean } = {}) {
    super({
      code: 'StateCorrupt',
      message: `the Terraform state in ${place} cannot be read: ${why}`,
      fix: 'caplv state history NAME (of a host: its libvirt URI) lists the serials that were kept, caplv state restore NAME SERIAL restores one',
    });
    this.isCut = isCut;
  }
}

function instances({ module, type, name, instances }: RawState['resources'][number]): StateResource[] {
  const base = `${module === undefined ? '' : `${module}.`}${type}.${name}`;
  return instances.map(({ index_key, status, attributes }) => ({
    address: index_key === undefined ? base : `${base}[${JSON.stringify(index_key)}]`,
    type,
    name,
    tainted: status === 'tainted',
    attributes,
  }));
}
