/** Rules about changes of an object, which the API server alone can check: it has the object as it was. */

import type { Rule } from '../schema/rule.ts';

/** Refuses a change of one field of a spec. `instead`: what to do to have it otherwise. */
export function unchanged<T>(field: keyof T & string, instead: string): Rule<T> {
  const [now, then] = [`self.${field}`, `oldSelf.${field}`];
  return {
    fields: [field],
    message: `spec.${field} does not change after the object was made`,
    fix: `use ${instead}`,
    cel: `has(${now}) == has(${then}) && (!has(${now}) || ${now} == ${then})`,
    check: () => true,
  };
}
