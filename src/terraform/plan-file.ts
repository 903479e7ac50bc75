/** Names the files of saved plans, and removes older ones. */

import { randomUUID } from 'node:crypto';
import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TransientError } from '../errors.ts';
import type { Plan } from './format/plan.ts';
import type { Workspace } from './workspace.ts';

/**
 * Name for a plan to be saved. No two plans share a name, so that what someone approved can never be applied from a file
 * that was written since; older ones, which hold secrets, go.
 */
export async function newPlanFile({ dir }: Workspace): Promise<string> {
  const old = (await readdir(dir)).filter((name) => name.endsWith('.tfplan'));
  await Promise.all(old.map((name) => rm(join(dir, name), { force: true })));
  return join(dir, `${randomUUID()}.tfplan`);
}

/** @throws Conflict (TransientError) if it was replaced by a later plan, or has been applied */
export async function takePlanFile({ file }: Plan): Promise<string> {
  if (file === undefined) throw new TypeError('this plan was not saved: plan with `save`');
  try {
    await access(file);
    return file;
  } catch (cause) {
    throw new TransientError({
      code: 'Conflict',
      message: 'The saved plan is no longer there: it was applied, or replaced by a later plan',
      fix: 'make a new plan',
      retryAfterMs: 0,
      cause,
    });
  }
}
