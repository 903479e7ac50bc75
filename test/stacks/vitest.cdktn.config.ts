/** Configures the project `unit-cdktn`. */

import { join } from 'node:path';
import { defineProject } from 'vitest/config';
import { quickly } from '../quick-start.ts';

/**
 * The suite of stacks once more, with cdktn, the maintained fork, in cdktf's place: what an npm alias
 * (`"cdktf": "npm:cdktn@…"`) would do. The hook replaces it wherever Node loads it: in the
 * sources, in the compiled bindings and in the worker thread.
 */
export default defineProject({
  test: {
    name: 'unit-cdktn',
    root: join(import.meta.dirname, '../..'),
    include: ['test/stacks/*.unit.test.ts'],
    // It compares generated sources, which do not depend on the library.
    exclude: ['test/stacks/bindings.unit.test.ts'],
    execArgv: ['--import', join(import.meta.dirname, 'cdktn-hook.ts')],
    ...quickly,
    env: { ...quickly.env, CAPLV_TEST_CDK: 'cdktn' },
  },
});
