/**
 * Holds a server against what the Terraform provider asks of it. Provider 0.8.3 makes a volume of the length that HEAD gives, asks
 * with GET where HEAD is forbidden (403), and fails on any other answer, when all else of the machine is made.
 */

import { CaplvError, type ErrorCode, TerminalError, TransientError } from '../errors.ts';
import {
  allowedFetch,
  fetchFailure,
  isBusy,
  retryAfterMs,
  statusText,
  withoutCredentials,
} from './allowed-fetch.ts';
import type { Policy } from './policy.ts';

export interface LengthRequest {
  readonly url: string;
  /** Bytes that the server named at GET; undefined: it named none. */
  readonly known?: number | undefined;
  /** Field that names the URL, for errors. */
  readonly path: string;
  readonly policy: Policy;
  readonly codes: { readonly refused: ErrorCode; readonly unreachable: ErrorCode };
}

const RETRY_MS = 30_000;

/**
 * Returns the bytes that the provider will read from `url`.
 * @throws TerminalError with `codes.refused` for a server that the provider cannot read from, TransientError with `codes.unreachable` for one
 * that may answer later
 */
export async function requireLength(request: LengthRequest): Promise<number> {
  const { url, known, path, codes } = request;
  const head = await ask('HEAD', request);
  const answer = head.status === 403 ? await ask('GET', request) : head;
  const refusal = (what: string) =>
    new TerminalError({
      code: codes.refused,
      path,
      message: `${withoutCredentials(url)} ${what}`,
      fix: 'it is read with HEAD, which has to name a Content-Length: use another server or a file',
    });
  if (isBusy(answer)) throw unreachable(request, `answers ${statusText(answer)}`, retryAfterMs(answer));
  if (answer.status !== 200) throw refusal(`answers GET, and HEAD with ${statusText(answer)}`);
  const text = answer.headers.get('content-length') ?? '';
  if (!/^\d+$/.test(text)) throw refusal('does not say how long the file is');
  const length = Number(text);
  if (length === 0 || (known !== undefined && known !== length))
    throw refusal(`names ${length} bytes at HEAD${known === undefined ? '' : `, and ${known} at GET`}`);
  return length;
}

/** Without `missing`: that waits until GET succeeds, and it does. */
function unreachable({ url, path, codes }: LengthRequest, what: string, afterMs = RETRY_MS): TransientError {
  return new TransientError({
    code: codes.unreachable,
    path,
    message: `${withoutCredentials(url)} ${what}`,
    fix: 'see how the server answers: curl --head URL',
    retryAfterMs: afterMs,
  });
}

async function ask(method: 'HEAD' | 'GET', request: LengthRequest): Promise<Response> {
  const { url, path, policy } = request;
  // Uncompressed: a server that packs what it sends does not know its length.
  const headers = { 'accept-encoding': 'identity' };
  const response = await allowedFetch(policy, url, path, { method, headers }).catch((error: unknown) => {
    if (error instanceof CaplvError) throw error;
    throw unreachable(request, `does not answer ${method}: ${fetchFailure(error)}`);
  });
  await response.body?.cancel();
  return response;
}
