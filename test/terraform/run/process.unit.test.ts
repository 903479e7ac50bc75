/** Verifies that a run that cannot start leaks no file descriptors. */

import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { scratchDir } from '../scratch.ts';

test('a run for which there are not enough file descriptors keeps none', async () => {
  const output = join(await scratchDir(), 'output');
  const program = `
    import { closeSync, openSync, readdirSync } from 'node:fs';
    import { run } from '${new URL('../../../src/terraform/run/process.ts', import.meta.url).href}';

    const count = () => readdirSync('/proc/self/fd').length;
    const before = count();
    const taken = [];
    try {
      for (;;) taken.push(openSync('/dev/null'));
    } catch {}
    // Enough for the file that terraform writes to, and no more.
    closeSync(taken.pop());
    const request = { command: 'true', args: [], cwd: '/', env: {}, output: ${JSON.stringify(output)} };
    const { code } = await run(request).catch((error) => error);
    for (const descriptor of taken) closeSync(descriptor);
    console.log(JSON.stringify({ code, kept: count() - before }));
  `;
  const node = ['--nofile=64', process.execPath, '--input-type=module', '-e', program];
  const { stdout } = await execa('prlimit', node);
  expect(JSON.parse(stdout)).toEqual({ code: 'EMFILE', kept: 0 });
});
