import { Transient } from '../../errors.ts';
import type { Diagnostic } from './messages.ts';

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

/** From what Terraform writes, as JSON, of a lock that it takes; empty: nobody has it. */
export function holderFromLockInfo(info: string): LockHolder {
  try {
    const { Who, Operation, Created, ID } = JSON.parse(info);
    return { who: Who, operation: operationName(Operation), since: Created, id: ID };
  } catch {
    return { who: 'another terraform', operation: 'unknown', since: new Date().toISOString() };
  }
}

/** The lock was not free within the time that the caller gave. */
export class StateLocked extends Transient {
  readonly holder: LockHolder;

  constructor(
    holder: LockHolder,
    details: { readonly where: string; readonly fix: string; readonly cause?: unknown },
  ) {
    super({
      code: 'StateLocked',
      message: `${details.where} is locked by ${holder.who} (${holder.operation}) since ${holder.since}`,
      fix: details.fix,
      cause: details.cause,
    });
    this.holder = holder;
  }
}

/** Terraform's own lock of a state was not free. */
export function stateLocked(holder: LockHolder, cause?: unknown): StateLocked {
  return new StateLocked(holder, {
    where: 'The Terraform state',
    fix: `wait for it to end; if that process no longer exists anywhere, run terraform force-unlock ${holder.id}`,
    cause,
  });
}

/** Holder in Terraform's own message, which is the same for each backend. */
export function holderFromDiagnostics(diagnostics: readonly Diagnostic[]): LockHolder | undefined {
  const locked = diagnostics.find(({ summary }) => summary === 'Error acquiring the state lock');
  if (locked === undefined || !locked.detail.includes('Lock Info:')) return undefined;
  const field = (name: string) => new RegExp(`^ {2}${name}: +(.+)$`, 'm').exec(locked.detail)?.[1]?.trim();
  return {
    who: field('Who') ?? 'unknown',
    operation: operationName(field('Operation') ?? 'unknown'),
    since: rfc3339(field('Created') ?? ''),
    ...(field('ID') !== undefined && { id: field('ID') }),
  };
}

/** `OperationTypeApply` → `apply`. */
export function operationName(operation: string): string {
  return operation.replace(/^OperationType/, '').toLowerCase();
}

/** `2026-11-23 15:13:39.965343984 +0000 UTC` → `2026-11-23T15:13:39Z`. */
function rfc3339(created: string): string {
  return created.replace(/^(\S+) (\d\d:\d\d:\d\d)\S* \+0000 UTC$/, '$1T$2Z');
}
