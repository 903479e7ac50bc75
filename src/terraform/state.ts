import { setTimeout as delay } from 'node:timers/promises';
import { readIfThere } from './workspace.ts';

/** What Terraform knows of a stack. Attributes hold user data: never log them. */
export interface State {
  readonly serial: number;
  readonly lineage: string;
  readonly resources: readonly StateResource[];
  readonly outputs: Readonly<Record<string, StateOutput>>;
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
interface RawState {
  readonly serial: number;
  readonly lineage: string;
  readonly outputs: Readonly<Record<string, { readonly value: unknown; readonly sensitive?: boolean }>>;
  readonly resources: readonly {
    readonly module?: string;
    readonly mode: 'managed' | 'data';
    readonly type: string;
    readonly name: string;
    readonly instances: readonly {
      readonly index_key?: string | number;
      readonly status?: string;
      readonly attributes: Readonly<Record<string, unknown>>;
    }[];
  }[];
}

/** @param text of a state; empty: none */
export function parseState(text: string): State | undefined {
  if (text.trim() === '') return undefined;
  const raw = JSON.parse(text) as RawState;
  return {
    serial: raw.serial,
    lineage: raw.lineage,
    resources: raw.resources.filter(({ mode }) => mode === 'managed').flatMap(instances),
    outputs: Object.fromEntries(
      Object.entries(raw.outputs).map(([name, { value, sensitive }]) => [
        name,
        { value, sensitive: sensitive ?? false },
      ]),
    ),
  };
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

/** Terraform truncates a state file and writes it anew, which takes it less than a millisecond. */
const HALF_WRITTEN_RETRIES = 10;

/** Reads a state file beside a terraform that may be writing it. `undefined`: there is none. */
export async function readStateFile(path: string): Promise<State | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return parseState((await readIfThere(path)) ?? '');
    } catch (error) {
      if (!(error instanceof SyntaxError) || attempt === HALF_WRITTEN_RETRIES) throw error;
      await delay(5);
    }
  }
}
