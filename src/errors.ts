/**
 * The two classes of failure. `TransientError` may go away by itself and is retried; `TerminalError` needs a person.
 * Every error has a stable code, a cause (the message) and a fix.
 */

/** Stable codes, shown as condition reasons. What to do about each: docs/troubleshooting.md. */
export const ERROR_CODES = [
  'InvalidConfiguration',
  'NotAllowed',
  'ImageNotFound',
  'ImageInvalid',
  'UserDataNotFound',
  'PoolNotFound',
  'NetworkNotFound',
  'InsufficientCapacity',
  'OutOfResources',
  'LibvirtUnreachable',
  'LibvirtPermissionDenied',
  'LibvirtError',
  'ShutdownTimeout',
  'NotOwned',
  'AddressInUse',
  'DomainElsewhere',
  'StateCorrupt',
  'StateMismatch',
  'ReplaceRefused',
  'RepairsHeld',
  'TerraformNotFound',
  'TerraformTooOld',
  'ProviderNotFound',
  'TerraformError',
  'StateLocked',
  'StateDirNotWritable',
  'ObjectUnreadable',
  'Conflict',
  'NotFound',
  'NodesUnreadable',
  'NodeAccessDenied',
  'WaitTimeout',
  'Interrupted',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What has to appear before an error passes. */
export type Missing =
  /** An object, or a host that does not answer: whoever watches them is told. */
  | { readonly kind: 'watched' }
  | { readonly kind: 'file'; readonly path: string }
  /** A file other than the one that is there; `version` as `fileVersion` gives it. */
  | { readonly kind: 'otherFile'; readonly path: string; readonly version: string }
  /** `url` may hold credentials: it is not for messages. `holdMs`: its server asks to be left alone for so long. */
  | { readonly kind: 'url'; readonly url: string; readonly holdMs?: number | undefined }
  /** A lock that another holds: the path of its file. */
  | { readonly kind: 'lock'; readonly path: string }
  /** The first of these that is there. */
  | { readonly kind: 'onHost'; readonly anyOf: readonly HostNeed[] }
  /** `uri`: libvirt connection URI of the host. */
  | { readonly kind: 'volume'; readonly uri: string; readonly pool: string; readonly volume: string };

/** A host that answers, or an active network or pool of that name on it. `uri`: libvirt connection URI; it is not for messages. */
export type HostNeed =
  | { readonly what: 'host'; readonly uri: string }
  | { readonly what: 'network' | 'pool'; readonly uri: string; readonly name: string };

export interface ErrorDetails {
  readonly code: ErrorCode;
  /** What went wrong, in one sentence, with the names involved. Never holds a secret. */
  readonly message: string;
  /** What the reader can do about it. */
  readonly fix?: string | undefined;
  /** Path of the field at fault, for example `spec.providerSpec.value.vcpu`. */
  readonly path?: string | undefined;
  /** Set for what may appear without a change of the object that needs it. */
  readonly missing?: Missing | undefined;
  readonly cause?: unknown;
}

/** Base of all errors that a user may see. */
export abstract class CaplvError extends Error {
  readonly code: ErrorCode;
  readonly fix: string | undefined;
  readonly path: string | undefined;
  readonly missing: Missing | undefined;

  constructor(details: ErrorDetails) {
    super(details.message, { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    this.fix = details.fix;
    this.path = details.path;
    this.missing = details.missing;
  }
}

/** May succeed when tried again after `retryAfterMs`. */
export class TransientError extends CaplvError {
  readonly retryAfterMs: number;

  constructor(details: ErrorDetails & { readonly retryAfterMs?: number }) {
    super(details);
    this.retryAfterMs = details.retryAfterMs ?? 5_000;
  }
}

/** Will fail again until someone changes the object, the host or the installation. */
export class TerminalError extends CaplvError {}

/** Returns the same error with other details. It may be tried again as the first one may. */
export function restated(error: CaplvError, changes: Partial<ErrorDetails>): CaplvError {
  const { code, message, fix, path, missing, cause } = error;
  const details = { code, message, fix, path, missing, cause, ...changes };
  return error instanceof TransientError
    ? new TransientError({ ...details, retryAfterMs: error.retryAfterMs })
    : new TerminalError(details);
}

/** Returns what an error says, or the text of what was thrown that is none. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What the machine of caplv itself has run out of, by the error of the system call that was refused. */
const EXHAUSTED: Readonly<Record<string, string>> = {
  EMFILE: 'file descriptors (of this process)',
  ENFILE: 'file descriptors',
  ENOSPC: 'disk space',
  EDQUOT: 'disk quota',
  ENOMEM: 'memory',
  EAGAIN: 'processes',
};

/** The error of a system call, as OutOfResources; undefined: it says something else. Looks into causes, too. */
export function outOfResources(error: unknown): TransientError | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const what = EXHAUSTED[(at as NodeJS.ErrnoException).code ?? ''];
    if (what === undefined) continue;
    return new TransientError({
      code: 'OutOfResources',
      message: `the machine that caplv runs on has no ${what} left: ${at.message}`,
      fix: 'give it more, or find out who uses them; it is tried again',
      retryAfterMs: 5_000,
      cause: error,
    });
  }
  return undefined;
}
