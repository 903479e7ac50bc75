/** Verifies that SIGTERM ends a process within its time limit. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SOURCE = fileURLToPath(new URL('../../../src', import.meta.url));

/** A process that shuts down with that limit, and whose work ends, or never does. */
async function terminated(work: 'ends' | 'hangs'): Promise<readonly unknown[]> {
  const script = `
    import { shutdownSignal } from '${SOURCE}/kube/runtime/signals.ts';
    import { silentLogger } from '${SOURCE}/telemetry/logger.ts';
    const stop = shutdownSignal(silentLogger, ${work === 'hangs' ? 50 : 3_600_000});
    const working = setInterval(() => {}, 1000);
    stop.addEventListener('abort', () => ${work === 'hangs' ? 'undefined' : 'clearInterval(working)'});
    process.stdout.write('working');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  return once(child, 'exit');
}

it('SIGTERM ends a process whose work never ends, and does not keep one whose work has ended', async () => {
  expect(await Promise.all([terminated('hangs'), terminated('ends')])).toEqual([
    [1, null],
    [0, null],
  ]);
});
