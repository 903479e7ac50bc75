/** What is wrong with a value, in words for the person who wrote it: the field, what is wrong, what would be right. */

import { z } from 'zod';
import { nearest } from '../../system/nearest.ts';
import { bareSchema, fieldMeta, fieldNames, schemaAt } from './schema-walk.ts';

export interface FieldProblem {
  readonly path: readonly PropertyKey[];
  /** What is wrong. Never holds the value of a sensitive field. */
  readonly message: string;
  /** What would be right. */
  readonly fix?: string;
}

type Issue = z.core.$ZodIssue;

/** Namespace, name and kind of an object. */
const LONGEST = 400;
type Words = Omit<FieldProblem, 'path'>;

/** All that `schema` finds wrong with `value`; empty if nothing. */
export function fieldProblems(schema: z.ZodType, value: unknown): FieldProblem[] {
  return (schema.safeParse(value).error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({
          path: [...issue.path, key],
          ...unknownField(key, schemaAt(schema, issue.path)),
        }))
      : [
          {
            path: issue.path,
            ...aboutVariables(
              inWords(issue, valueAt(value, issue.path), schemaAt(schema, issue.path) ?? schema),
              valueAt(value, issue.path),
              schemaAt(schema, issue.path) ?? schema,
            ),
          },
        ],
  );
}

/** `spec.disks[0].name`, `metadata.labels["a.b/c"]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((key) => {
      if (typeof key === 'number') return `[${key}]`;
      return /^[\w-]+$/.test(String(key)) ? `.${String(key)}` : `["${inLine(clip(String(key)))}"]`;
    })
    .join('')
    .replace(/^\./, '');
}

/** `spec.vcpu: 0 is too small; use 1 or more`. */
export function formatProblem({ path, message, fix }: FieldProblem): string {
  const where = path.length > 0 ? `${formatPath(path)}: ` : '';
  return `${where}${message}${fix ? `; ${fix}` : ''}`;
}

function inWords(issue: Issue, value: unknown, schema: z.ZodType): Words {
  const shown = show(value, schema);
  const { form } = fieldMeta(schema);
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(value, shown, issue.expected, schema);
    case 'too_small':
    case 'too_big':
      return wrongSize(issue, value, shown);
    case 'invalid_format':
      return { message: `${shown} has the wrong form`, fix: `use ${form ?? 'another form'}` };
    case 'invalid_union':
      return { message: `${shown} does not fit here`, fix: `use ${form ?? 'another form'}` };
    case 'invalid_value':
      return wrongChoice(value, shown, issue.values.map(String));
    case 'invalid_key': {
      const keys = bareSchema(schema);
      const keyForm = keys instanceof z.ZodRecord ? fieldMeta(keys.keyType as z.ZodType).form : undefined;
      return { message: 'this name has the wrong form', fix: `use ${keyForm ?? 'another name'}` };
    }
    case 'custom':
      return { message: issue.message, fix: issue.params?.['fix'] as string | undefined };
    default:
      return { message: `${shown} is not accepted`, fix: form && `use ${form}` };
  }
}

/** A variable that stays in a value is what is wrong with it, whatever the value then looks like. */
function aboutVariables(words: Words, value: unknown, schema: z.ZodType): Words {
  if (typeof value !== 'string' || fieldMeta(schema).sensitive) return words;
  const name = /\$\{(\w{1,60})(?::-[^}]*)?\}/.exec(value)?.[1];
  return name === undefined ? words : variableLeft(name, words.fix);
}

/** `fix`: what the value itself would have to be. */
export function variableLeft(name: string, fix?: string): Words {
  const how = /^CAPLV_[A-Z0-9_]+$/.test(name)
    ? 'it is taken from the environment only where caplv itself reads the manifest'
    : 'only variables whose names begin with CAPLV_, in capitals, are taken from the environment';
  const instead = fix === undefined ? 'write its value here' : `or ${fix}`;
  return { message: `the variable \${${name}} is not filled in`, fix: `${how}; ${instead}` };
}

function unknownField(key: string, schema: z.ZodType | undefined): Words {
  const known = schema ? fieldNames(schema) : [];
  const suggestion = nearest(key, known);
  const listed =
    known.length > 0 && known.length <= 12
      ? `the fields here are ${known.join(', ')}`
      : 'docs/api.md has all fields';
  return { message: 'there is no such field', fix: suggestion ? `did you mean ${suggestion}?` : listed };
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

function wrongType(value: unknown, shown: string, expected: string, schema: z.ZodType): Words {
  const { form } = fieldMeta(schema);
  const type = TYPES[expected] ?? expected;
  const wanted = form ?? type;
  if (value === undefined) {
    return { message: 'this is missing', fix: `add it: ${fieldDescription(schema) ?? wanted}` };
  }
  if (value === null) return { message: 'this is empty', fix: `give ${wanted}, or leave the field out` };
  return { message: `${shown} is not ${type}`, fix: `use ${wanted}${aboutQuotes(value, expected)}` };
}

/** Quotes make text of a number, and their absence a number of text. */
function aboutQuotes(value: unknown, expected: string): string {
  if (expected === 'string' && typeof value !== 'object') return ', in quotes';
  return typeof value === 'string' && ['number', 'int', 'boolean'].includes(expected)
    ? ', without quotes'
    : '';
}

/** The first sentence of what the schema says of the field. */
function fieldDescription(schema: z.ZodType): string | undefined {
  const description = schema.description ?? bareSchema(schema).description;
  return description?.split(/\.(?: (?=[A-Z])|$)/)[0];
}

function wrongSize(
  issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig,
  value: unknown,
  shown: string,
): Words {
  const small = issue.code === 'too_small';
  const limit = String(small ? issue.minimum : issue.maximum);
  if (typeof value === 'number') {
    const right =
      issue.inclusive === false ? (small ? 'more than' : 'less than') : small ? 'at least' : 'at most';
    return { message: `${shown} is too ${small ? 'small' : 'large'}`, fix: `use ${right} ${limit}` };
  }
  const unit = Array.isArray(value) ? 'items' : 'characters';
  const length = Array.isArray(value) || typeof value === 'string' ? value.length : 0;
  if (small && length === 0) return { message: 'this is empty', fix: 'fill it in, or leave the field out' };
  return {
    message: `this has ${length} ${unit}`,
    fix: `use at ${small ? 'least' : 'most'} ${limit}`,
  };
}

function wrongChoice(value: unknown, shown: string, choices: readonly string[]): Words {
  if (value === undefined) return { message: 'this is missing', fix: `add it: ${choices.join(', ')}` };
  const suggestion = typeof value === 'string' ? nearest(value, choices) : undefined;
  return {
    message: `${shown} is not one of ${choices.join(', ')}`,
    fix: suggestion ? `did you mean ${suggestion}?` : `use ${choices.join(' or ')}`,
  };
}

/** The value, if it may be shown: not secret, and not long or of several lines, as a secret in the wrong field would be. */
function show(value: unknown, schema: z.ZodType): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  if (fieldMeta(schema).sensitive) return 'the value';
  if (typeof value !== 'string') return String(value);
  if (value.length > 80 || /[\r\n]/.test(value)) return `this text (${value.length} characters)`;
  return `"${inLine(value.replace(/\/\/\S*@/, '//***@'))}"`;
}

/** Errors are lines on a terminal: what breaks lines, or turns their order round, is shown by its number. */
export function inLine(text: string): string {
  return JSON.stringify(text.slice(0, LONGEST))
    .slice(1, -1)
    .replace(/[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, (character) => {
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
    });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined | null)?.[key],
    value,
  );
}

function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
