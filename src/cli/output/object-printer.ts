/** Prints objects in the format of `-o`, all at once or, for a watch, one after the other. Secrets are hidden in every format. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import { redact } from '../../api/manifest/redact.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { TerminalError } from '../../errors.ts';
import { ObjectTables } from './object-tables.ts';
import type { ObjectPrinter, ObjectsOfKind, TableOptions } from './printed-objects.ts';

export interface PrinterOptions extends TableOptions {
  /** A format of `-o`, with what follows its `=`; undefined: a table. */
  readonly output?: string | undefined;
}

/** Throws TerminalError InvalidConfiguration for a path or a column that is malformed. */
export async function openPrinter({ output, ...options }: PrinterOptions): Promise<ObjectPrinter> {
  const [format = '', argument] = divide(output ?? '');
  switch (format) {
    case 'name':
      return new NamePrinter();
    case 'json':
    case 'yaml':
      return openDataPrinter(format, options);
    case 'jsonpath':
    case 'jsonpath-file':
      return openTemplatePrinter(await contentOf(format, argument));
    case 'custom-columns':
    case 'custom-columns-file': {
      const { CustomColumns } = await import('./custom-columns.ts');
      return new CustomColumns(await contentOf(format, argument), options, format.endsWith('-file'));
    }
    default:
      return new ObjectTables({ ...options, isWide: format === 'wide' });
  }
}

/** Divides `jsonpath={.a}` at its first equals sign. */
function divide(output: string): [string, string | undefined] {
  const [format = ''] = output.split('=', 1);
  return [format, output.includes('=') ? output.slice(format.length + 1) : undefined];
}

async function contentOf(format: string, argument: string | undefined): Promise<string> {
  if (!argument) {
    const example = format.startsWith('jsonpath')
      ? "jsonpath='{.items[*].metadata.name}'"
      : 'custom-columns=NAME:.metadata.name,PHASE:.status.phase';
    throw refused(`${format} needs what to print after an equals sign`, `for example -o ${example}`);
  }
  if (!format.endsWith('-file')) return argument;
  try {
    const { readFile } = await import('node:fs/promises');
    return await readFile(argument, 'utf8');
  } catch (error) {
    throw refused(`${argument} cannot be read (${(error as NodeJS.ErrnoException).code})`, 'check the path');
  }
}

function refused(message: string, fix: string): TerminalError {
  return new TerminalError({ code: 'InvalidConfiguration', path: '--output', message, fix });
}

class NamePrinter implements ObjectPrinter {
  readonly isForPeople = false;

  all(groups: readonly ObjectsOfKind[]): string {
    return groups.map(({ kind, objects }) => this.next(kind, objects)).join('');
  }

  next({ singular }: ApiKind, objects: readonly KubeObject[]): string {
    return objects.map(({ metadata }) => `${singular}/${metadata.name}\n`).join('');
  }
}

async function openDataPrinter(
  format: 'json' | 'yaml',
  { showEvents = false }: TableOptions,
): Promise<ObjectPrinter> {
  const { formatData } = await import('./serialize.ts');
  return {
    isForPeople: false,
    all: (groups, isOne) => formatData(dataOf(groups, isOne), format),
    next: (kind, objects, event) =>
      objects
        .map((object) => redact(object, kind))
        .map((object) => formatData(showEvents ? { type: event, object } : object, format))
        .map((text) => (format === 'yaml' ? `---\n${text}` : text))
        .join(''),
  };
}

async function openTemplatePrinter(template: string): Promise<ObjectPrinter> {
  const { parseJsonPathTemplate } = await import('../../apimachinery/json-path-template.ts');
  const write = parseJsonPathTemplate(template);
  return {
    isForPeople: false,
    all: (groups, isOne) => write(dataOf(groups, isOne)),
    next: (kind, objects) => objects.map((object) => write(redact(object, kind))).join('\n'),
  };
}

function dataOf(groups: readonly ObjectsOfKind[], isOne: boolean): unknown {
  const items = groups.flatMap(({ kind, objects }) => objects.map((object) => redact(object, kind)));
  return isOne ? items[0] : { apiVersion: 'v1', kind: 'List', items };
}
