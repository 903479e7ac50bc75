/** Prints objects in columns that the user names: `-o custom-columns=NAME:.metadata.name,HOST:.status.providerStatus.host`. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import { redact } from '../../api/manifest/redact.ts';
import { type JsonPath, parseJsonPath } from '../../apimachinery/json-path.ts';
import { asText } from '../../apimachinery/json-path-template.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import type { ObjectPrinter, ObjectsOfKind, TableOptions } from './printed-objects.ts';
import { Table } from './table.ts';

interface CustomColumn {
  readonly header: string;
  readonly path: JsonPath;
}

export class CustomColumns implements ObjectPrinter {
  readonly isForPeople = false;
  readonly #columns: readonly CustomColumn[];
  readonly #table: Table;

  /**
   * `isFile`: the columns come from a file, with the headers in its first line and the paths below them in the second. Throws
   * TerminalError InvalidConfiguration.
   */
  constructor(spec: string, { hasHeader = true }: TableOptions, isFile: boolean) {
    this.#columns = isFile ? columnsOfFile(spec) : columnsOf(spec);
    const headers = this.#columns.map(({ header }) => header);
    this.#table = new Table(headers, { hasHeader });
  }

  all(groups: readonly ObjectsOfKind[]): string {
    return this.#table.add(groups.flatMap(({ kind, objects }) => this.#rows(kind, objects)));
  }

  next(kind: ApiKind, objects: readonly KubeObject[]): string {
    return this.#table.add(this.#rows(kind, objects));
  }

  #rows(kind: ApiKind, objects: readonly KubeObject[]): string[][] {
    return objects.map((object) => this.#row(kind, object));
  }

  #row(kind: ApiKind, object: KubeObject): string[] {
    const shown = redact(object, kind);
    return this.#columns.map(({ path }) => path(shown).map(asText).join(','));
  }
}

function columnsOf(spec: string): CustomColumn[] {
  // A comma within brackets belongs to a path.
  return spec.split(/,(?![^[]*\])/).map((column) => {
    const colon = column.indexOf(':');
    const header = column.slice(0, Math.max(colon, 0)).trim();
    if (header === '' || colon === column.length - 1) throw refused(`"${column}" is no column`);
    return { header, path: pathOf(column.slice(colon + 1)) };
  });
}

function columnsOfFile(text: string): CustomColumn[] {
  const [headers = [], paths = []] = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/));
  if (headers.length === 0 || headers.length !== paths.length)
    throw refused('the file needs two lines, headers and paths, with as many words each');
  return headers.map((header, index) => ({ header, path: pathOf(paths[index] ?? '') }));
}

/** As kubectl does, takes a path with and without braces. */
function pathOf(text: string): JsonPath {
  return parseJsonPath(text.trim().replace(/^\{(.*)\}$/, '$1'));
}

function refused(message: string): TerminalError {
  return new TerminalError({
    code: 'InvalidConfiguration',
    path: '--output',
    message,
    fix: 'write HEADER:PATH for each column, for example -o custom-columns=NAME:.metadata.name,PHASE:.status.phase',
  });
}
