/**
 * `${CAPLV_NAME}` and `${CAPLV_NAME:-default}` in manifests, as clusterctl has it in its templates: values that differ from
 * place to place (an image, a libvirt URI) stay out of the file. Other names are left alone, and named where they make a value wrong. Secret fields are left alone
 * too: the variables of user data look the same and are filled in later, for each machine.
 */

import { z } from 'zod';
import { type FieldProblem, variableLeft } from '../schema/problem.ts';
import { bareSchema, fieldMeta, mapFields } from '../schema/schema-walk.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const VARIABLE = /\$\{(CAPLV_[A-Z0-9_]+)(?::-([^}]*))?\}/g;

/** A path or URL that begins with a variable of another name. */
const RELATIVE_VARIABLE = /^(?:\.{0,2}\/?)\$\{(\w{1,60})(?::-[^}]*)?\}/;

/** A copy of `value` with variables filled in, and a problem for each that is not set. */
export function substitute(
  schema: z.ZodType,
  value: unknown,
  environment: Environment,
): { value: unknown; problems: FieldProblem[] } {
  const problems: FieldProblem[] = [];
  const substituted = mapFields(schema, value, (written, field, path) => {
    const bare = bareSchema(field);
    if (typeof written !== 'string' || fieldMeta(field).sensitive || bare instanceof z.ZodUnknown)
      return written;
    const text = written.replace(VARIABLE, (variable, name: string, fallback: string | undefined) => {
      const found = environment[name] || fallback;
      if (found === undefined) {
        problems.push({
          path,
          message: `the environment variable ${name} is not set`,
          fix: `export ${name}=…, or give a default: \${${name}:-…}`,
        });
      }
      return found ?? variable;
    });
    const left = fieldMeta(field).file ? RELATIVE_VARIABLE.exec(text)?.[1] : undefined;
    // It would be taken for the name of a file beside the manifest.
    if (left !== undefined && problems.at(-1)?.path !== path) problems.push({ path, ...variableLeft(left) });
    return text === written ? written : typed(text, bare);
  });
  return { value: substituted, problems };
}

/** Text as the type that the field has, so that `vcpu: ${CAPLV_VCPU:-2}` is a number. */
function typed(text: string, schema: z.ZodType): unknown {
  if (schema instanceof z.ZodNumber && text.trim() !== '' && Number.isFinite(Number(text)))
    return Number(text);
  if (schema instanceof z.ZodBoolean && /^(true|false)$/.test(text)) return text === 'true';
  return text;
}
