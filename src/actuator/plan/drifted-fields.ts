/** What a plan for an unchanged intent says of drift: which fields differ, without secrets, and what it takes to mend them. */

import { isDeepStrictEqual } from 'node:util';
import type { AttributeChange, Explanation } from '../../terraform/format/explanation.ts';
import type { PlanPreview } from './preview.ts';

export interface DriftedFields {
  /** `libvirt_domain.machine: memory is 160, not 128`. Empty: nothing differs but outputs. */
  readonly fields: readonly string[];
  /** The provider says that it changes the domain in place, and does nothing (0.8.3): only a new one helps. */
  readonly replacesDomain: boolean;
}

/** What provider 0.8.3 really changes of a domain; see MachineStack. */
const IN_PLACE: ReadonlySet<string> = new Set(['autostart', 'qemu_agent', 'running']);
const MOST_FIELDS = 8;

export function driftedFields({ explanations }: PlanPreview): DriftedFields {
  const fields = explanations.flatMap(fieldsOf);
  const more = fields.length - MOST_FIELDS;
  return {
    fields: more > 0 ? [...fields.slice(0, MOST_FIELDS), `and ${more} more`] : fields,
    replacesDomain: explanations.some(
      ({ type, action, attributes }) =>
        type === 'libvirt_domain' &&
        action === 'update' &&
        attributes.some((one) => !one.unknown && !IN_PLACE.has(one.name) && !saysTheSame(one)),
    ),
  };
}

function fieldsOf(explanation: Explanation): string[] {
  const { address, action, attributes, replacePaths } = explanation;
  if (action === 'create') return [`${address} is gone`];
  if (action === 'delete') return [`${address} is there`];
  const forcing = new Set(replacePaths.map((path) => path.split('.')[0]));
  const told = attributes.filter((one) =>
    action === 'replace' ? forcing.has(one.name) : !one.unknown && !saysTheSame(one),
  );
  const texts = told.flatMap((attribute) => leaves(attribute).map((text) => `${address}: ${text}`));
  return texts.length > 0 ? texts : [`${address} differs`];
}

function leaves(attribute: AttributeChange): string[] {
  const { name, secret, unknown, before, after } = attribute;
  if (secret || unknown) return [`${name} differs`];
  return differing(name, before, after);
}

function differing(path: string, before: unknown, after: unknown): string[] {
  if (isDeepStrictEqual(withoutEmpty(before), withoutEmpty(after))) return [];
  if (!isNested(before) && !isNested(after)) return [`${path} is ${shown(before)}, not ${shown(after)}`];
  const [from, to] = [(before ?? {}) as object, (after ?? {}) as object];
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  return keys.flatMap((key) =>
    differing(`${path}.${key}`, from[key as keyof object], to[key as keyof object]),
  );
}

function isNested(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function shown(value: unknown): string {
  return value === undefined || value === null || value === '' ? 'unset' : String(value).slice(0, 100);
}

/** The provider reads back as empty what the configuration leaves out. */
export function saysTheSame({ secret, before, after }: AttributeChange): boolean {
  return !secret && isDeepStrictEqual(withoutEmpty(before), withoutEmpty(after));
}

function withoutEmpty(value: unknown): unknown {
  if (value === '' || value === 0 || value === false || value === null) return undefined;
  if (Array.isArray(value)) return value.length > 0 ? value.map(withoutEmpty) : undefined;
  if (typeof value !== 'object') return value;
  const kept = Object.entries(value as object).map(([key, one]) => [key, withoutEmpty(one)]);
  return Object.fromEntries(kept.filter(([, one]) => one !== undefined));
}
