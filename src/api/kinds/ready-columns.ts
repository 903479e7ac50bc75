/** Columns of `kubectl get` that all kinds with a condition Ready have. */

import type { Column } from './kind.ts';

export function readyColumn(description: string): Column {
  return {
    name: 'Ready',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].status',
    description,
  };
}

export const readyReasonColumn: Column = {
  name: 'Reason',
  type: 'string',
  jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
  description: 'Why it is not ready.',
};
