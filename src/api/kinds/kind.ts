/** A kind as all parts see it: the store by group and plural, the loader by schema, the CRD and the tables by columns. */

import type { z } from 'zod';
import type { KubeObject, ResourceKind } from '../../apimachinery/object.ts';
import type { KindNames } from './names.ts';

export interface ApiKind<T extends KubeObject = KubeObject> extends ResourceKind<T>, KindNames {
  /** Schema of the whole object as a person writes it. Mostly `z.lazy`: zod takes long to build schemas, and a command reads few kinds. */
  readonly schema: z.ZodType;
  readonly columns: readonly Column[];
  /** Present: the kind has a `scale` subresource. */
  readonly scale?: Scale;
}

/** A column of `kubectl get` and of `caplv get`. */
export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  /** Kubernetes JSONPath, for example `.status.phase`. */
  readonly jsonPath: string;
  readonly description: string;
  /** True: only with `-o wide`. */
  readonly wide?: boolean;
}

/** Where `kubectl scale` and autoscalers read and write. JSON paths. */
export interface Scale {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath: string;
}

export const AGE_COLUMN: Column = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since the object was created.',
};
