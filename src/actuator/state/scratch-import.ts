/**
 * An import in a directory of its own, with a state of its own: whoever kills it half-way has lost nothing, and the real state
 * changes once, at the end.
 */

import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ImportedObject, importStack } from '../../../stacks/import-stack.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { ImportedState } from '../../terraform/format/imported-state.ts';
import type { RunOptions, Terraform } from '../../terraform/terraform.ts';
import { paths, type Workspace } from '../../terraform/workspace.ts';
import type { StateHandle } from '../context/state-home.ts';

/** `finish` gets what was imported, and the directory, which goes when it is done. */
export async function importAside(
  terraform: Terraform,
  home: StateHandle,
  uri: AllowedHost,
  objects: readonly ImportedObject[],
  run: RunOptions,
  finish: (imported: ImportedState, scratch: Workspace) => Promise<ImportedState>,
): Promise<ImportedState> {
  const scratch = { dir: join(home.workspace.dir, 'import') };
  await rm(scratch.dir, { recursive: true, force: true });
  await mkdir(scratch.dir, { recursive: true, mode: 0o700 });
  try {
    await terraform.import(scratch, importStack(uri, objects), run);
    return await finish(new ImportedState(await readFile(paths.state(scratch), 'utf8')), scratch);
  } finally {
    await rm(scratch.dir, { recursive: true, force: true });
  }
}
