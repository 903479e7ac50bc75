/**
 * The two classes of failure. `Transient` may go away by itself and is retried; `Terminal` needs a person.
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
  'LibvirtUnreachable',
  'LibvirtPermissionDenied',
  'LibvirtError',
  'NotOwned',
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
  'Conflict',
  'NotFound',
  'NodesUnreadable',
  'WaitTimeout',
  'Interrupted',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What has to appear before an error passes. */
export type Missing =
  /** An object, or a host that does not answer: whoever watches them is told. */
  | { readonly kind: 'watched' }
  | { readonly kind: 'file'; readonly path: string }
  /** `url` may hold credentials: it is not for messages. */
  | { readonly kind: 'url'; readonly url: string }
  /** `uri`: libvirt connection URI of the host. */
  | { readonly kind: 'volume'; readonly uri: string; readonly pool: string; readonly volume: string };

export interface ErrorDetails {
  readonly code: ErrorCode;
  /** What went wrong, in one sentence, with the names involved. Never holds a secret. */
  readonly message: string;
  /** What the reader can do about it. */
  readonly fix?: string;
  /** Path of the field at fault, for example `spec.providerSpec.value.vcpu`. */
  readonly path?: string;
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
export class Transient extends CaplvError {
  readonly retryAfterMs: number;

  constructor(details: ErrorDetails & { readonly retryAfterMs?: number }) {
    super(details);
    this.retryAfterMs = details.retryAfterMs ?? 5_000;
  }
}

/** Will fail again until someone changes the object, the host or the installation. */
export class Terminal extends CaplvError {}
