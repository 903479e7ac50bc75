/** Prints objects as tables, one for each kind, with the columns that kubectl shows. */

import { columnValue } from '../../api/kinds/columns.ts';
import type { ApiKind, Column } from '../../api/kinds/kind.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { formatDuration } from '../../system/duration.ts';
import type { ObjectPrinter, ObjectsOfKind, TableOptions } from './printed-objects.ts';
import { Table } from './table.ts';

export class ObjectTables implements ObjectPrinter {
  readonly isForPeople = true;
  readonly #options: TableOptions;
  /** By plural and group. */
  readonly #tables = new Map<ApiKind, Table>();

  constructor(options: TableOptions) {
    this.#options = options;
  }

  all(groups: readonly ObjectsOfKind[]): string {
    return groups
      .filter(({ objects }) => objects.length > 0)
      .map(({ kind, objects }) => this.next(kind, objects, 'ADDED'))
      .join('\n');
  }

  next(kind: ApiKind, objects: readonly KubeObject[], event: string): string {
    return this.#tableOf(kind).add(objects.map((object) => this.#row(kind, object, event)));
  }

  #tableOf(kind: ApiKind): Table {
    const { hasHeader = true, showEvents, showNamespace, showLabels } = this.#options;
    const header = [
      ...(showEvents ? ['EVENT   '] : []),
      ...(showNamespace ? ['NAMESPACE'] : []),
      'NAME',
      ...this.#columns(kind).map(({ name }) => name.toUpperCase()),
      ...(showLabels ? ['LABELS'] : []),
    ];
    const table = this.#tables.get(kind) ?? new Table(header, { hasHeader });
    this.#tables.set(kind, table);
    return table;
  }

  #row(kind: ApiKind, object: KubeObject, event: string): string[] {
    const { showEvents, showNamespace, showKind, showLabels } = this.#options;
    const { name, namespace = '', labels = {} } = object.metadata;
    return [
      ...(showEvents ? [event] : []),
      ...(showNamespace ? [namespace] : []),
      showKind ? `${kind.singular}/${name}` : name,
      ...this.#columns(kind).map((column) => formatCell(column, columnValue(object, column))),
      ...(showLabels
        ? [
            Object.entries(labels)
              .map(([key, value]) => `${key}=${value}`)
              .join(','),
          ]
        : []),
    ];
  }

  #columns(kind: ApiKind): readonly Column[] {
    return kind.columns.filter((column) => this.#options.isWide || !column.wide);
  }
}

function formatCell(column: Column, value: unknown): string {
  if (value === undefined || value === null) return '';
  return column.type === 'date' ? formatDuration(Date.now() - Date.parse(String(value))) : String(value);
}
