/** Writes a program that behaves as a provider at its start. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes a program that greets as a provider does, and then waits. Returns its path. */
export async function fakeProvider(dir: string): Promise<string> {
  const path = join(dir, 'terraform-provider-fake');
  await writeFile(path, '#!/bin/sh\necho "1|5|unix|$TMPDIR/socket|grpc|"\nexec sleep 300\n', { mode: 0o700 });
  return path;
}
