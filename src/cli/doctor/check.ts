/** Holds one result of `caplv doctor`. */

import { CaplvError } from '../../errors.ts';
import { LibvirtError } from '../../libvirt/libvirt-error.ts';

export interface Check {
  readonly name: string;
  readonly result: 'ok' | 'warning' | 'failed';
  readonly message: string;
  readonly fix?: string | undefined;
}

/** Makes a failed check of an error. `fix`: another one than its own. Throws what is no error for users. */
export function failedCheck(name: string, error: unknown, fix?: string): Check {
  if (!(error instanceof CaplvError || error instanceof LibvirtError)) throw error;
  return { name, result: 'failed', message: error.message, fix: fix ?? error.fix };
}
