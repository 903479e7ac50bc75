/** What `caplv describe` says of an object. */

import type { UnreadableObjectError } from '../../store/unreadable-object.ts';

export interface Description {
  readonly text: string;
  /** For `-o json` and `-o yaml`. */
  readonly data: object;
  /** Objects that belong to it and cannot be read. */
  readonly unreadable?: readonly UnreadableObjectError[];
}
