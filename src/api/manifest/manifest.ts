/** An object of a manifest, and where it stands in the text. */

import type { KubeObject } from '../../apimachinery/object.ts';

/** An object of a manifest, checked, in the shape its author chose. */
export interface Manifest<T extends KubeObject = KubeObject> {
  readonly object: T;
  readonly source: string;
  /** Line on which the object begins, from 1. */
  readonly line: number;
  /** Line of a field, for messages about the object later on. */
  lineOf(path: readonly PropertyKey[]): number;
}
