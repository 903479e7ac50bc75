/** Explains a saved plan attribute by attribute, without secret values. */

import { withoutURLSecrets } from './readable.ts';
import type { ChangeAction } from './resource-change.ts';

/** What a saved plan would do to one resource, attribute by attribute. */
export interface Explanation {
  readonly address: string;
  readonly type: string;
  readonly name: string;
  readonly action: ChangeAction;
  /** Attributes that cannot be changed in place, for example `size` or `disk.0.volume_id`. */
  readonly replacePaths: readonly string[];
  /** Only those that change. */
  readonly attributes: readonly AttributeChange[];
}

export interface AttributeChange {
  readonly name: string;
  /** Absent if it is secret, or was not set. */
  readonly before?: unknown;
  /** Absent if it is secret, not yet known, or will not be set. */
  readonly after?: unknown;
  /** The value is hidden: the schema, the configuration or the caller says that it is secret. */
  readonly secret?: true;
  /** Known only after the apply. */
  readonly unknown?: true;
}

/** `terraform show -json`, as far as we use it: https://developer.hashicorp.com/terraform/internals/json-format */
interface ShownPlan {
  readonly resource_changes?: readonly {
    readonly address: string;
    readonly type: string;
    readonly name: string;
    readonly change: ShownChange;
  }[];
}

type Attributes = Readonly<Record<string, unknown>>;

interface ShownChange {
  readonly actions: readonly string[];
  readonly before: Attributes | null;
  readonly after: Attributes | null;
  readonly after_unknown?: Attributes;
  readonly before_sensitive?: Attributes | boolean;
  readonly after_sensitive?: Attributes | boolean;
  readonly replace_paths?: readonly (readonly (string | number)[])[];
}

/**
 * @param text of `terraform show -json`
 * @param secretAttributes that the schema does not call sensitive although they are: `<type>.<attribute>`
 */
export function explanationsFrom(text: string, secretAttributes: ReadonlySet<string>): Explanation[] {
  const shown = JSON.parse(text) as ShownPlan;
  return (shown.resource_changes ?? [])
    .map(({ address, type, name, change }) => ({
      address,
      type,
      name,
      action: actionOf(change.actions),
      replacePaths: (change.replace_paths ?? []).map((path) => path.join('.')),
      attributes: attributeChanges(change, (attribute) => secretAttributes.has(`${type}.${attribute}`)),
    }))
    .filter(({ action }) => action !== 'noop' && action !== 'read');
}

/** `["delete","create"]` and `["create","delete"]` are replacements. */
function actionOf(actions: readonly string[]): ChangeAction {
  if (actions.length === 2) return 'replace';
  const [action] = actions;
  if (action === 'no-op') return 'noop';
  return action === 'forget' ? 'remove' : (action as ChangeAction);
}

function attributeChanges(change: ShownChange, isSecret: (attribute: string) => boolean): AttributeChange[] {
  const before = change.before ?? {};
  const after = change.after ?? {};
  const unknown = change.after_unknown ?? {};
  const names = new Set([...Object.keys(before), ...Object.keys(after), ...Object.keys(unknown)]);
  return [...names].sort().flatMap((name): AttributeChange[] => {
    const isUnknown = holdsTrue(unknown[name]);
    if (!isUnknown && JSON.stringify(before[name] ?? null) === JSON.stringify(after[name] ?? null)) return [];
    const secret =
      isSecret(name) || marked(change.before_sensitive, name) || marked(change.after_sensitive, name);
    return [
      {
        name,
        ...(!secret && before[name] != null && { before: shown(before[name]) }),
        ...(!secret && !isUnknown && after[name] != null && { after: shown(after[name]) }),
        ...(secret && { secret: true }),
        ...(isUnknown && { unknown: true }),
      },
    ];
  });
}

/** The source of an image may be a URL that is signed for a time. */
function shown(value: unknown): unknown {
  return typeof value === 'string' ? withoutURLSecrets(value) : value;
}

function marked(sensitive: Attributes | boolean | undefined, name: string): boolean {
  return typeof sensitive === 'object' ? holdsTrue(sensitive[name]) : sensitive === true;
}

/** Terraform marks a value by `true`, or one that is nested by the same structure with `true` in its place. */
function holdsTrue(mark: unknown): boolean {
  if (typeof mark === 'object' && mark !== null) return Object.values(mark).some(holdsTrue);
  return mark === true;
}
