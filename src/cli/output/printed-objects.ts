/** What is printed of objects, and how: common to all formats of `-o`. */

import type { ApiKind } from '../../api/kinds/kind.ts';
import type { KubeObject } from '../../apimachinery/object.ts';

export interface ObjectsOfKind {
  readonly kind: ApiKind;
  readonly objects: readonly KubeObject[];
}

export interface ObjectPrinter {
  /** True if an empty list shows nothing that a program could read. */
  readonly isForPeople: boolean;
  /** `isOne`: a single object was asked for by name, so data shows it without a List around it. */
  all(groups: readonly ObjectsOfKind[], isOne: boolean): string;
  /** What a watch shows of these, after what it has shown before; `event`: ADDED, MODIFIED or DELETED. */
  next(kind: ApiKind, objects: readonly KubeObject[], event: string): string;
}

export interface TableOptions {
  /** With columns that are shown only on demand. */
  readonly isWide?: boolean;
  readonly hasHeader?: boolean;
  /** A column for the namespace: objects of several are shown. */
  readonly showNamespace?: boolean;
  /** Names as KIND/NAME: objects of several kinds are shown. */
  readonly showKind?: boolean;
  readonly showLabels?: boolean;
  /** A column for what happened to the object, in a watch. */
  readonly showEvents?: boolean;
}
