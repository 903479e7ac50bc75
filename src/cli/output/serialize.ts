/** Writes data as JSON or YAML. Apart from the tables, which do without the parser of YAML. */

import { stringify } from 'yaml';

/**
 * Writes YAML so that readers of YAML 1.1 (kubectl, cloud-init) see the same text: `on`, `0644` and a MAC address of digits stand in
 * quotes.
 */
export function formatData(data: unknown, output: 'json' | 'yaml'): string {
  if (output === 'json') return `${JSON.stringify(data, null, 2)}\n`;
  return stringify(data, { lineWidth: 0, compat: 'yaml-1.1' });
}
