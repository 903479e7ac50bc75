/**
 * Our schemas as the API server takes them: "structural" OpenAPI v3. What it refuses (closed objects, free types, unions)
 * is said in its own words; what no schema can say stands in CEL rules (rule.ts).
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */

import { z } from 'zod';
import { providerSpecOf } from './provider-spec.ts';

/** OpenAPI v3 as CRDs hold it. */
export interface OpenAPI {
  type?: string;
  description?: string;
  properties?: Record<string, OpenAPI>;
  required?: string[];
  items?: OpenAPI;
  additionalProperties?: OpenAPI;
  default?: unknown;
  enum?: unknown[];
  pattern?: string;
  minimum?: number;
  exclusiveMinimum?: boolean;
  maximum?: number;
  maxLength?: number;
  'x-kubernetes-validations'?: Validation[];
  'x-kubernetes-preserve-unknown-fields'?: true;
  'x-kubernetes-int-or-string'?: true;
  [other: string]: unknown;
}

interface Validation {
  rule: string;
  message: string;
}

/** The schema of what a person may write, ready for a CRD. */
export function structuralSchema(schema: z.ZodType): OpenAPI {
  const { $schema: _, ...converted } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => adapt(zodSchema, jsonSchema as OpenAPI),
  });
  return converted as OpenAPI;
}

/** Changes one level of the schema in place, as zod wants it of an override. */
function adapt(zodSchema: z.core.$ZodType, json: OpenAPI): void {
  const inner = providerSpecOf(zodSchema);
  if (inner) {
    delete json.additionalProperties;
    Object.assign(json, providerSpecSchema(structuralSchema(inner)));
    return;
  }
  for (const ours of ['sensitive', 'file', 'form', 'propertyNames']) delete json[ours];
  if (json['x-kubernetes-int-or-string']) delete json['anyOf'];
  const closed = json.additionalProperties as OpenAPI | false | undefined;
  if (closed === false) delete json.additionalProperties;
  else if (closed && Object.keys(closed).length === 0) {
    delete json.additionalProperties;
    json['x-kubernetes-preserve-unknown-fields'] = true;
  }
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  if (json.pattern) json.pattern = json.pattern.replaceAll('\\/', '/');
}

/**
 * A provider spec may be written inline, under `value`, and either with an inner `spec` as the original has it. The first
 * two are checked here in full. The inner `spec` is kept as it is and checked by the controller: two more copies would
 * double the size of the CRDs.
 */
function providerSpecSchema(fields: OpenAPI): OpenAPI {
  const spec: OpenAPI = {
    type: 'object',
    description: 'The same fields, as the original has them; checked by the controller.',
    'x-kubernetes-preserve-unknown-fields': true,
  };
  const value: OpenAPI = {
    ...unlessWrapped(fields, ['spec']),
    description: 'The same fields, under `value`.',
  };
  const inline = unlessWrapped(fields, ['value', 'spec']);
  return {
    ...inline,
    properties: {
      ...inline.properties,
      spec: { ...spec },
      value: { ...value, properties: { ...value.properties, spec } },
    },
  };
}

/**
 * `fields` for a place where they may also stand in one of `wrappers`: then nothing is required here, and nothing may be
 * defaulted. The defaults are in the descriptions, and are filled in when the fields are read.
 */
function unlessWrapped(fields: OpenAPI, wrappers: readonly string[]): OpenAPI {
  const { required = [], properties = {}, 'x-kubernetes-validations': rules = [] } = fields;
  const wrapped = wrappers.map((wrapper) => `has(self.${wrapper})`).join(' || ');
  const unwrapped: Record<string, OpenAPI> = {};
  for (const [name, { default: fallback, ...field }] of Object.entries(properties)) {
    unwrapped[name] =
      fallback === undefined
        ? field
        : { ...field, description: `${field.description} Default: ${fallback}.` };
  }
  const named = (names: readonly string[]) => names.map((name) => `has(self.${name})`);
  const own = Object.keys(properties).filter((name) => name !== 'apiVersion' && name !== 'kind');
  return {
    type: 'object',
    properties: unwrapped,
    'x-kubernetes-validations': [
      ...(required.length > 0
        ? [
            {
              rule: `${wrapped} || (${named(required).join(' && ')})`,
              message: `${required.join(' and ')} must be given`,
            },
          ]
        : []),
      {
        rule: `!(${wrapped}) || !(${named(own).join(' || ')})`,
        message: `fields stand beside ${wrappers.join(' or ')}; move them into it`,
      },
      ...rules.map(({ rule, message }) => ({ rule: `${wrapped} || (${rule})`, message })),
    ],
  };
}
