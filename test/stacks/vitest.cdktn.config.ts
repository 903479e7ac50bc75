import { join } from 'node:path';
import { defineProject } from 'vitest/config';

/**
 * The suite of stacks once more, with cdktn, the maintained fork, in cdktf's place: what an npm alias
 * (`"cdktf": "npm:cdktn@…"`) would do. `alias` is for what vitest loads, the hook for what Node loads: the compiled bindings,
 * and the worker thread.
 */
export default defineProject({
  resolve: { alias: { cdktf: 'cdktn' } },
  test: {
    name: 'unit-cdktn',
    root: join(import.meta.dirname, '../..'),
    include: ['test/stacks/*.unit.test.ts'],
    execArgv: ['--import', join(import.meta.dirname, 'cdktn-hook.ts')],
    isolate: false,
    maxWorkers: 4,
    env: { CAPLV_TEST_CDK: 'cdktn' },
  },
});
