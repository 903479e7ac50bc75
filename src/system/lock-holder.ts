/** Who holds a lock, and the error of those who wait for it in vain. */

import { type ErrorDetails, TransientError } from '../errors.ts';

/** Who works in a workspace or on a state. */
export interface LockHolder {
  /** For example `root@host` or `root@host, process 4711`. */
  readonly who: string;
  /** For example `apply`. */
  readonly operation: string;
  /** RFC 3339. */
  readonly since: string;
  /** Terraform's lock ID (`terraform force-unlock` wants it); only of a lock that Terraform holds. */
  readonly id?: string;
}

/** The lock was not free within the time that the caller gave. */
export class StateLockedError extends TransientError {
  readonly holder: LockHolder;

  constructor(
    holder: LockHolder,
    details: Pick<ErrorDetails, 'missing' | 'cause'> & { readonly where: string; readonly fix: string },
  ) {
    super({
      code: 'StateLocked',
      message: `${details.where} is locked by ${holder.who} (${holder.operation}) since ${holder.since}`,
      fix: details.fix,
      missing: details.missing,
      cause: details.cause,
    });
    this.holder = holder;
  }
}
