/** `-o`: objects as a table, wide table, JSON or YAML. Secrets are hidden in every form. */

import { columnValue } from '../../api/kinds/columns.ts';
import type { ApiKind, Column } from '../../api/kinds/kind.ts';
import { redact } from '../../api/manifest/redact.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { formatDuration } from '../../system/duration.ts';
import { formatTable } from './table.ts';

export type Output = 'wide' | 'json' | 'yaml' | 'name' | undefined;

/** `one`: a single object was asked for by name, so json and yaml show it without a List around it. */
export async function formatObjects(
  kind: ApiKind,
  objects: readonly KubeObject[],
  output: Output,
  one: boolean,
): Promise<string> {
  if (output === 'name') return objects.map(({ metadata }) => `${kind.singular}/${metadata.name}\n`).join('');
  if (output === 'json' || output === 'yaml') {
    const shown = objects.map((one) => redact(one, kind));
    const { formatData } = await import('./serialize.ts');
    return formatData(one ? shown[0] : { apiVersion: 'v1', kind: 'List', items: shown }, output);
  }
  const columns = kind.columns.filter((column) => output === 'wide' || !column.wide);
  const rows = objects.map((object) => [
    object.metadata.name,
    ...columns.map((column) => formatCell(column, columnValue(object, column))),
  ]);
  return formatTable(['NAME', ...columns.map(({ name }) => name.toUpperCase())], rows);
}

function formatCell(column: Column, value: unknown): string {
  if (value === undefined || value === null) return '';
  return column.type === 'date' ? formatDuration(Date.now() - Date.parse(String(value))) : String(value);
}
