/** Writes data as JSON or YAML. Apart from the tables, which do without the parser of YAML. */

import { Document, visit } from 'yaml';
import { isUnprintable, printable } from '../../telemetry/printable.ts';

/**
 * Writes YAML so that readers of YAML 1.1 (kubectl, cloud-init) see the same text: `on`, `0644` and a MAC address of digits stand in
 * quotes.
 */
export function formatData(data: unknown, output: 'json' | 'yaml'): string {
  // What a terminal would obey is escaped, as both formats can: those who parse it get the very text.
  if (output === 'json') return printable(`${JSON.stringify(data, null, 2)}\n`);
  const document = new Document(data, { compat: 'yaml-1.1' });
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'string' && isUnprintable(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return printable(document.toString({ lineWidth: 0 }));
}
