/** Describes requests that failed: the `Status` object of an API server, and the error made from it. */
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
  /** Machine-readable reason of Kubernetes, for example `NotFound`, `AlreadyExists`, `Conflict`, `Forbidden`, `Unreachable`. */
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

  /**
   * Makes the error for an answer that is no success. `body` is its text: a `Status`, unless a proxy answered. `quotes`: see
   * `ResponseLimits.quotesServer`.
   */
  static fromResponse(request: string, { code, body, retryAfter, quotes }: FailedResponse): ApiError {
    const status = parseStatus(body);
    const seconds = Number(retryAfter ?? status.details?.retryAfterSeconds);
    const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : undefined;
    return ApiError.fromStatus(request, { ...status, code }, { retryAfterMs, quotes });
  }

  /** Makes the error for a `Status`, for example the last event of a watch. */
  static fromStatus(
    request: string,
    said: ApiStatus,
    { retryAfterMs, quotes }: { readonly retryAfterMs?: number | undefined; readonly quotes: boolean },
  ): ApiError {
    const status = quotes ? said : withoutText(said);
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

  /**
   * Makes the error for a request without an answer: refused, reset, timed out or not trusted. `quotes` also covers texts of
   * certificates.
   */
  static unreachable(request: string, server: string, cause: unknown, quotes = true): ApiError {
    const { code, message, name } =
      cause instanceof Error ? (cause as NodeJS.ErrnoException) : toError(cause);
    const why = quotes || !code ? message || name : code;
    return new ApiError({
      code: 0,
      reason: 'Unreachable',
      message: `${request}: no answer from ${server}: ${why}`,
      cause,
    });
  }

  /** Makes the error for a connection that the operator does not allow; no request was sent. `why`: the end of a sentence. */
  static notAllowed(request: string, why: string, cause: unknown): ApiError {
    const message = `${request}: its server may not be connected to: ${why}`;
    return new ApiError({ code: 0, reason: 'NotAllowed', message, cause });
  }

  /** Makes the error for an answer that is not JSON. Quotes nothing of it. */
  static unreadable(request: string, cause: unknown): ApiError {
    const message = `${request}: the API server answers with what is not JSON`;
    return new ApiError({ code: 0, reason: 'Unreadable', message, cause });
  }

  /** Makes the error for an answer beyond `ResponseLimits`. */
  static tooLarge(request: string, what: string): ApiError {
    return new ApiError({
      code: 0,
      reason: 'ResponseTooLarge',
      message: `${request}: the API server sends ${what}`,
    });
  }

  /** Returns true if the server does not know the resourceVersion, or the kind: the caller has to list again. */
  get needsRelist(): boolean {
    return this.code === 410 || this.code === 404 || this.causes.some((cause) => cause.reason === TOO_NEW);
  }
}

export interface FailedResponse {
  readonly code: number;
  readonly body: string;
  readonly retryAfter?: string | undefined;
  readonly quotes: boolean;
}

/** Keeps what Kubernetes defines, and drops the server's own text. */
function withoutText({ code, details }: ApiStatus): ApiStatus {
  const causes = Array.isArray(details?.causes) ? details.causes : [];
  const known = causes.filter((one) => one?.reason === TOO_NEW).map(() => ({ reason: TOO_NEW }));
  return { ...(isStatusCode(code) && { code }), details: { causes: known } };
}

function isStatusCode(code: unknown): code is number {
  return Number.isInteger(code) && Number(code) >= 100 && Number(code) <= 599;
}

function toError(cause: unknown): NodeJS.ErrnoException {
  return new Error(String(cause));
}

/** Returns true for an ApiError with that reason. */
export function hasReason(error: unknown, reason: string): error is ApiError {
  return error instanceof ApiError && error.reason === reason;
}

/** The server has not seen that resourceVersion yet. */
const TOO_NEW = 'ResourceVersionTooLarge';

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
