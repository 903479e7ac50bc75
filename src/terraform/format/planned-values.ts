/** What a saved plan would make of one resource. Holds secrets. */
export interface PlannedValues {
  readonly address: string;
  readonly type: string;
  readonly name: string;
  /** Attributes as the configuration wants them; those that are known only after the apply are left out. */
  readonly after: Readonly<Record<string, unknown>>;
}

/** `terraform show -json`, as far as we use it: https://developer.hashicorp.com/terraform/internals/json-format */
interface ShownPlan {
  readonly resource_changes?: readonly {
    readonly address: string;
    readonly type: string;
    readonly name: string;
    readonly change: {
      readonly after: Readonly<Record<string, unknown>> | null;
      readonly after_unknown?: Readonly<Record<string, unknown>>;
    };
  }[];
}

/** @param text of `terraform show -json` */
export function plannedValuesFrom(text: string): PlannedValues[] {
  const shown = JSON.parse(text) as ShownPlan;
  return (shown.resource_changes ?? []).map(({ address, type, name, change }) => {
    const unknown = change.after_unknown ?? {};
    const known = Object.entries(change.after ?? {}).filter(([attribute]) => unknown[attribute] !== true);
    return { address, type, name, after: Object.fromEntries(known) };
  });
}
