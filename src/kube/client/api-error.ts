/** The `Status` object that an API server answers with instead of what was asked for. */
export interface ApiStatus {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly ApiErrorCause[];
  };
}

/** One reason of several, for example one invalid field. */
export interface ApiErrorCause {
  readonly reason?: string;
  readonly message?: string;
  /** Path of the field, for example `spec.replicas`. */
  readonly field?: string;
}

export interface ApiErrorDetails {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs?: number;
  readonly causes?: readonly ApiErrorCause[];
  readonly cause?: unknown;
}

/** A request that the API server refused, or that did not reach it. */
export class ApiError extends Error {
  /** HTTP status; 0: no answer came. */
  readonly code: number;
  /** Kubernetes' own word for it, for example `NotFound`, `AlreadyExists`, `Conflict`, `Forbidden`, `Unreachable`. */
  readonly reason: string;
  /** The server asks to wait this long, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  readonly causes: readonly ApiErrorCause[];
  /** What the reader can do about it. */
  readonly fix: string | undefined;

  constructor(details: ApiErrorDetails) {
    super(details.message, { cause: details.cause });
    this.name = 'ApiError';
    this.code = details.code;
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
    this.causes = details.causes ?? [];
    this.fix = FIXES[details.reason];
  }

  /** From an answer that is no success. `body` is its text, which is a `Status` unless something in between answered. */
  static fromResponse(request: string, code: number, body: string, retryAfter?: string): ApiError {
    const status = parseStatus(body);
    const seconds = Number(retryAfter ?? status.details?.retryAfterSeconds);
    return ApiError.fromStatus(
      request,
      { ...status, code },
      Number.isFinite(seconds) ? seconds * 1000 : undefined,
    );
  }

  /** From a `Status`, for example one that a watch delivers as its last event. */
  static fromStatus(request: string, status: ApiStatus, retryAfterMs?: number): ApiError {
    const code = status.code ?? 500;
    const reason = status.reason || REASONS[code] || `Http${code}`;
    const causes = status.details?.causes;
    return new ApiError({
      code,
      reason,
      message: `${request}: ${status.message ?? reason}`,
      retryAfterMs,
      causes,
    });
  }

  /** No answer: refused, reset, timed out or not trusted. */
  static unreachable(request: string, server: string, cause: unknown): ApiError {
    const why = cause instanceof Error ? cause.message || cause.name : String(cause);
    return new ApiError({
      code: 0,
      reason: 'Unreachable',
      message: `${request}: no answer from ${server}: ${why}`,
      cause,
    });
  }

  /** More than what is read of an API server; see `ResponseLimits`. */
  static tooLarge(request: string, what: string): ApiError {
    return new ApiError({
      code: 0,
      reason: 'ResponseTooLarge',
      message: `${request}: the API server sends ${what}`,
    });
  }

  /** The place in time, or the kind, is no longer or not yet known to the server: list anew. */
  get needsRelist(): boolean {
    return (
      this.code === 410 ||
      this.code === 404 ||
      this.causes.some((cause) => cause.reason === 'ResourceVersionTooLarge')
    );
  }
}

/** True for an ApiError with that reason. */
export function hasReason(error: unknown, reason: string): error is ApiError {
  return error instanceof ApiError && error.reason === reason;
}

const REASONS: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

const FIXES: Record<string, string> = {
  Forbidden: 'grant the verb and resource named here with a Role or ClusterRole, or use another identity',
  Unauthorized: 'check the credentials in the kubeconfig: the API server does not know this user',
  ResponseTooLarge: 'remove objects that are not needed, or name the API server of a cluster',
  Unreachable: 'check that the API server runs, and the address and CA in the kubeconfig',
};

function parseStatus(body: string): ApiStatus {
  try {
    const parsed = JSON.parse(body) as ApiStatus;
    if (parsed?.kind === 'Status') return parsed;
  } catch {
    // A proxy or a server that is starting answers in plain text.
  }
  return { message: body.trim().slice(0, 300) || undefined };
}
