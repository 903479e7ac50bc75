/**
 * An import in a directory of its own, with a state of its own: whoever kills it half-way has lost nothing, and the real state
 * changes once, at the end.
 */

import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ImportedObject, importStack } from '../../../stacks/import-stack.ts';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import type { TerraformSession } from '../../terraform/session.ts';
import { paths } from '../../terraform/workspace.ts';
import type { StateSession } from '../context/state-session.ts';

/** `finish` gets what was imported, and a session in the directory, which goes when it is done. */
export async function importAside(
  { uri, home, terraform }: StateSession,
  objects: readonly ImportedObject[],
  finish: (imported: ImportedState, scratch: TerraformSession) => Promise<ImportedState>,
): Promise<ImportedState> {
  const workspace = { dir: join(home.workspace.dir, 'import') };
  await rm(workspace.dir, { recursive: true, force: true });
  await mkdir(workspace.dir, { recursive: true, mode: 0o700 });
  try {
    const scratch = terraform.aside(workspace);
    await scratch.import(importStack(uri, objects));
    return await finish(new ImportedState(await readFile(paths.state(workspace), 'utf8')), scratch);
  } finally {
    await rm(workspace.dir, { recursive: true, force: true });
  }
}
