import { Terminal } from '../../errors.ts';

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
  readonly version: number;
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

/** Terraform and OpenTofu have written this one since 2018. */
const VERSION = 4;

/**
 * @param text of a state; empty: none
 * @param place where it lies, for people
 * @throws Terminal StateCorrupt
 */
export function parseState(text: string, place = 'memory'): State | undefined {
  if (text.trim() === '') return undefined;
  const raw = rawState(text, place);
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

function rawState(text: string, place: string): RawState {
  let raw: Partial<RawState> | null;
  try {
    raw = JSON.parse(text);
  } catch {
    // Without what the parser says: it quotes the text, and that holds secrets.
    throw new StateCorrupt(place, `it is not JSON (${text.length} characters)`);
  }
  if (raw?.version !== VERSION) {
    throw new StateCorrupt(place, `its format has version ${raw?.version ?? 'none'}, and not ${VERSION}`);
  }
  const { serial, lineage, outputs, resources } = raw;
  const isWhole =
    Number.isSafeInteger(serial) && typeof lineage === 'string' && outputs && Array.isArray(resources);
  if (!isWhole) throw new StateCorrupt(place, 'serial, lineage, outputs or resources are missing');
  return raw as RawState;
}

/** A state that nobody can read. Nothing is done with it, so that nothing is lost. */
export class StateCorrupt extends Terminal {
  constructor(place: string, why: string) {
    super({
      code: 'StateCorrupt',
      message: `the Terraform state in ${place} cannot be read: ${why}`,
      fix: 'caplv state history NAME (of a host: its libvirt URI) lists the serials that were kept, caplv state restore NAME SERIAL brings one back',
    });
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
