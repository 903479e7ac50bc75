/** Verifies the log formats for programs and for people. */

import { expect, it } from 'vitest';
import { TerminalError } from '../../src/errors.ts';
import { createLogger, type LogOptions } from '../../src/telemetry/logger.ts';

function written(
  options: Pick<LogOptions, 'level' | 'format'>,
  use: (log: ReturnType<typeof createLogger>) => void,
): string {
  let text = '';
  use(createLogger({ ...options, write: (line) => (text += line) }));
  return text;
}

const failure = new TerminalError({ code: 'PoolNotFound', message: 'no pool vms', fix: 'virsh pool-list' });

it('writes an object a line for machines', () => {
  const line = written({ level: 'info', format: 'json' }, (log) => {
    log.debug('Not wanted');
    log.with({ object: 'default/a' }).error('Reconcile failed', { error: failure, absent: undefined });
  });
  expect(JSON.parse(line)).toEqual({
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    level: 'error',
    message: 'Reconcile failed',
    object: 'default/a',
    error: 'no pool vms',
    errorCode: 'PoolNotFound',
    errorFix: 'virsh pool-list',
  });
});

it('writes for people', () => {
  const line = written({ level: 'info', format: 'pretty' }, (log) => {
    log.warn('Watch failed', { object: 'default/a', error: failure, delayMs: 200 });
  });
  expect(line.replace(/^[\d:.]+/, 'TIME')).toBe(
    'TIME  WARN   Watch failed  object=default/a  error="no pool vms"  errorCode=PoolNotFound  errorFix="virsh pool-list"  delayMs=200\n',
  );
});

it('shows stack traces at level debug', () => {
  const text = written({ level: 'debug', format: 'json' }, (log) => log.warn('x', { error: failure }));
  expect(JSON.parse(text).errorStack).toContain('logger.unit.test.ts');
});
