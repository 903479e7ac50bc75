/** Fetches a manifest that a command names by its URL. */

import type { IncomingMessage } from 'node:http';
import { httpRequest } from '../../system/network/http-request.ts';
import { ManifestError } from './error.ts';

const MAX_REDIRECTS = 5;
const TIMEOUT_MS = 30_000;

/** Whether `path` is a URL and not a file. */
export function isUrl(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/** Returns the answer with its body unread. Throws ManifestError for what is no answer with a manifest. */
export async function openManifestUrl(text: string): Promise<IncomingMessage> {
  try {
    return await request(text);
  } catch (error) {
    if (error instanceof ManifestError) throw error;
    const { name, code, message } = error as NodeJS.ErrnoException;
    const why = name === 'TimeoutError' ? `no answer within ${TIMEOUT_MS / 1_000} s` : (code ?? message);
    throw problem(text, `this cannot be fetched: ${why}`, 'check the URL and the network');
  }
}

async function request(text: string): Promise<IncomingMessage> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  let url = new URL(text);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const answer = await httpRequest(url, { headers: {}, mayConnect: () => true, agent: false, signal });
    const { statusCode: status = 0, headers } = answer;
    if (status === 200) return answer;
    answer.destroy();
    if (headers.location === undefined || status < 300 || status > 399)
      throw problem(text, `the server answers ${status}`, 'check the URL in a browser');
    const next = new URL(headers.location, url);
    if (!isUrl(next.href) || (url.protocol === 'https:' && next.protocol !== 'https:'))
      throw problem(
        text,
        `the server redirects to ${next.protocol}//`,
        'name a URL that stays with https://',
      );
    url = next;
  }
  throw problem(text, `the server redirects more than ${MAX_REDIRECTS} times`, 'name the URL it leads to');
}

function problem(source: string, message: string, fix: string): ManifestError {
  return new ManifestError([{ source, message, fix }]);
}
