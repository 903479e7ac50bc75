/** Parses what Terraform tells of the holder of a state lock. */

import * as z from 'zod';
import { type LockHolder, StateLockedError } from '../../system/lock-holder.ts';
import type { Diagnostic } from './messages.ts';

/** What Terraform writes, as JSON, of a lock that it takes. Whoever may write the Lease may write what he likes. */
const lockInfo = z.object({
  Who: z.string().max(512),
  Operation: z.string().max(64),
  Created: z.string().max(64),
  ID: z.string().max(64),
});

export type LockInfo = z.infer<typeof lockInfo>;

/** Undefined: nobody has the lock, or it is not Terraform that wrote this. */
export function parseLockInfo(info: string): LockInfo | undefined {
  if (info.length > LOCK_INFO_CHARACTERS) return undefined;
  try {
    return lockInfo.safeParse(JSON.parse(info)).data;
  } catch {
    return undefined;
  }
}

/** Characters; Terraform's own has about 250. */
const LOCK_INFO_CHARACTERS = 4 * 1024;

/** From what Terraform writes of a lock that it takes; empty: nobody has it. */
export function holderFromLockInfo(info: string): LockHolder {
  const read = parseLockInfo(info);
  if (!read) return { who: 'another terraform', operation: 'unknown', since: new Date().toISOString() };
  return { who: read.Who, operation: operationName(read.Operation), since: read.Created, id: read.ID };
}

/** Terraform's own lock of a state was not free. */
export function stateLocked(holder: LockHolder, cause?: unknown): StateLockedError {
  return new StateLockedError(holder, {
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
