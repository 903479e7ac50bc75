/** Verifies that warnings of Node are log lines. */

import { execa } from 'execa';
import { expect, test } from 'vitest';

test('a warning of Node is a line of the log, so that every line is JSON', async () => {
  const { href } = new URL('../../src/telemetry/', import.meta.url);
  const program = `
    import { createLogger } from '${href}logger.ts';
    import { logProcessWarnings } from '${href}process-warnings.ts';
    logProcessWarnings(createLogger({ level: 'info', format: 'json' }));
    process.emitWarning('it will go', { type: 'DeprecationWarning', code: 'DEP9999' });
  `;
  const { stderr } = await execa(process.execPath, ['--input-type=module', '-e', program]);
  expect(JSON.parse(stderr)).toMatchObject({
    level: 'warn',
    message: 'Node warns',
    name: 'DeprecationWarning',
    code: 'DEP9999',
    error: 'it will go',
  });
});
