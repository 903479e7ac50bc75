/** What is missing may be made at any time; nobody tells of files and images, so a machine that needs one looks again. */

import { CaplvError, type ErrorCode } from '../errors.ts';
import type { Result } from './result.ts';

/** Codes of what comes by itself, or by someone who does not touch the Machine. */
const MISSING: ReadonlySet<ErrorCode> = new Set(['NotFound', 'UserDataNotFound', 'ImageNotFound']);
/** Looking for a file costs a few reads of the API server and a stat. */
const POLL_MS = 1_500;

/** Runs a reconcile; one that lacks something is no failure that is backed off from, but comes back soon. */
export async function waiting(reconcile: () => Promise<Result>): Promise<Result> {
  try {
    return await reconcile();
  } catch (error) {
    if (error instanceof CaplvError && MISSING.has(error.code)) return { requeueAfterMs: POLL_MS };
    throw error;
  }
}
