/** Verifies that a controller without an API server logs a structured error and exits. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ControllerProcess } from '../cluster/controller-process.ts';

it('a controller that finds no API server reports it in a log line like all others', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'start-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const kubeconfig = join(directory, 'kubeconfig');
  const named = { name: 'away', cluster: { server: 'http://127.0.0.1:1' }, user: {} };
  const context = { name: 'away', context: { cluster: 'away', user: 'away' } };
  const config = { clusters: [named], users: [named], contexts: [context], 'current-context': 'away' };
  await writeFile(kubeconfig, JSON.stringify(config));

  const controller = ControllerProcess.begin({ CAPLV_KUBECONFIG: kubeconfig });
  expect(await controller.says('Controller failed')).toMatchObject({
    level: 'error',
    error: expect.stringContaining('ECONNREFUSED'),
    errorFix: expect.stringContaining('check that the API server runs'),
  });
  expect(await controller.exited).toEqual([1, null]);
});
