/** Writes data as JSON or YAML. Apart from the tables, which do without the parser of YAML. */

import { stringify } from 'yaml';

export function formatData(data: unknown, output: 'json' | 'yaml'): string {
  return output === 'json' ? `${JSON.stringify(data, null, 2)}\n` : stringify(data, { lineWidth: 0 });
}
