/** One document of a manifest as an object: the kind found, the namespace filled in, variables and relative files resolved. */

import { resolve } from 'node:path';
import type { z } from 'zod';
import { isMapping } from '../../apimachinery/mapping.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { nearest } from '../../system/nearest.ts';
import { CONTRACT_GROUP } from '../infrastructure/contract.ts';
import { INFRASTRUCTURE_GROUP } from '../infrastructure/group.ts';
import type { ApiKind } from '../kinds/kind.ts';
import { ACCEPTED_KINDS, findKind, KINDS } from '../kinds/registry.ts';
import { API_VERSION, canonicalApiVersion } from '../schema/group.ts';
import { STORE_METADATA } from '../schema/metadata.ts';
import { type FieldProblem, fieldProblems, inLine } from '../schema/problem.ts';
import { fieldMeta, mapFields } from '../schema/schema-walk.ts';
import { LAST_APPLIED } from './redact.ts';
import { type Environment, substitute } from './substitution.ts';

export interface ObjectContext {
  /** For objects that name none. */
  readonly namespace: string;
  readonly environment: Environment;
  /** What relative file names are relative to. */
  readonly directory: string;
}

export interface ReadObject {
  /** Absent if there are problems. */
  readonly object?: KubeObject;
  readonly kind?: ApiKind;
  /** For example `Machine default/kube-cp`; empty if the document does not say. */
  readonly label: string;
  readonly problems: readonly FieldProblem[];
}

/** Reads a document. Nothing is defaulted but the namespace: the object holds what its author wrote. */
export function readObject(document: unknown, context: ObjectContext): ReadObject {
  if (!isMapping(document)) {
    return {
      label: '',
      problems: [
        {
          path: [],
          message: 'this is not an object',
          fix: 'write a mapping with apiVersion, kind, metadata and spec',
        },
      ],
    };
  }
  const { apiVersion, kind: kindName } = document;
  const kind =
    typeof apiVersion === 'string' && typeof kindName === 'string'
      ? findKind(apiVersion, kindName)
      : undefined;
  if (!kind)
    return {
      label: typeof kindName === 'string' ? inLine(kindName) : '',
      problems: [unknownKind(apiVersion, kindName)],
    };

  const { value: written, problems } = substitute(
    kind.schema,
    asWritten(document, context.namespace),
    context.environment,
  );
  const object = resolveFiles(kind.schema, written, context.directory) as unknown as KubeObject;
  const unset = new Set(problems.map(({ path }) => path.join('\0')));
  const wrong = fieldProblems(kind.schema, object).filter(({ path }) => !unset.has(path.join('\0')));
  const all = [...problems, ...wrong];
  return { ...(all.length === 0 && { object }), kind, label: labelOf(object), problems: all };
}

/** Without what only a store writes, so that `caplv get -o yaml` can be edited and applied again. */
function asWritten(document: Record<string, unknown>, namespace: string): Record<string, unknown> {
  const { apiVersion, kind, metadata, status: _, ...rest } = document;
  const object = { apiVersion: canonicalApiVersion(String(apiVersion)), kind };
  if (!isMapping(metadata)) return { ...object, metadata, ...rest };
  const kept = Object.fromEntries(Object.entries(metadata).filter(([key]) => !STORE_METADATA.includes(key)));
  if (isMapping(kept['annotations'])) {
    const { [LAST_APPLIED]: _, ...annotations } = kept['annotations'];
    kept['annotations'] = annotations;
  }
  return { ...object, metadata: { namespace, ...kept }, ...rest };
}

/** File fields that are relative become absolute. Texts that are no file name at all stay, to be refused. */
function resolveFiles(schema: z.ZodType, object: unknown, directory: string): unknown {
  return mapFields(schema, object, (value, field) => {
    const relative =
      typeof value === 'string' && /^[^/~\r\n][^\r\n]*$/.test(value) && !/^[a-z][a-z0-9+.-]*:/i.test(value);
    return relative && fieldMeta(field).file ? resolve(directory, value) : value;
  });
}

/** True for `cluster.x-k8s.io` and the groups of its providers: `infrastructure.cluster.x-k8s.io`, … */
function isTodaysClusterApi(apiVersion: string): boolean {
  return /^([a-z]+\.)?cluster\.x-k8s\.io\//.test(apiVersion);
}

function unknownKind(apiVersion: unknown, kind: unknown): FieldProblem {
  if (apiVersion === undefined || kind === undefined) {
    const missing = apiVersion === undefined ? 'apiVersion' : 'kind';
    return { path: [missing], message: 'this is missing', fix: `accepted are ${ACCEPTED_KINDS}` };
  }
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    return {
      path: [typeof kind === 'string' ? 'apiVersion' : 'kind'],
      message: 'this is not text',
      fix: `accepted are ${ACCEPTED_KINDS}`,
    };
  }
  if (
    apiVersion.startsWith(`${INFRASTRUCTURE_GROUP}/`) &&
    /^Libvirt(Machine|Cluster)(Template)?$/.test(kind)
  ) {
    return {
      path: ['apiVersion'],
      message: `a ${kind} is an object of today's Cluster API: it needs a Machine or Cluster of ${CONTRACT_GROUP} that owns it, which managers in a cluster make, and caplv does not`,
      fix: `apply it to a cluster with those managers: kubectl apply -f FILE (clusterctl init installs them, see docs/clusterctl.md); without such a cluster, write a Machine of ${API_VERSION}, as in deploy/examples`,
    };
  }
  if (isTodaysClusterApi(apiVersion)) {
    return {
      path: ['apiVersion'],
      message: `"${inLine(`${apiVersion} ${kind}`.slice(0, 120))}" belongs to today's Cluster API, and CAPLV has the kinds of the original one`,
      fix: `write it for ${API_VERSION}: a Machine with providerSpec in place of infrastructureRef and LibvirtMachine, as in deploy/examples; accepted are ${ACCEPTED_KINDS}`,
    };
  }
  const known = KINDS.find(({ kind: name }) => name === kind);
  const suggestion = nearest(
    kind,
    KINDS.map((one) => one.kind),
  );
  return {
    path: [known ? 'apiVersion' : 'kind'],
    message: `"${inLine(`${apiVersion} ${kind}`.slice(0, 120))}" is not a kind that is known here`,
    fix: `${!known && suggestion ? `did you mean ${suggestion}? ` : ''}accepted are ${ACCEPTED_KINDS}`,
  };
}

function labelOf({ kind, metadata }: KubeObject): string {
  return typeof metadata?.name === 'string' ? inLine(`${kind} ${metadata.namespace}/${metadata.name}`) : kind;
}
