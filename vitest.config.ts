import { defineConfig } from 'vitest/config';
import { quickly } from './test/quick-start.ts';

/**
 * `unit` and `unit-cdktn` need Node only and end in seconds; `real` and `faults` need root, libvirt, QEMU and terraform, which
 * test/lab/setup.sh --lab installs.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.unit.test.ts'],
          ...quickly,
        },
      },
      'test/stacks/vitest.cdktn.config.ts',
      {
        test: {
          name: 'real',
          include: ['test/**/*.real.test.ts'],
          exclude: ['test/faults/**', 'test/soak/**'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          // Two cores: more guests at once only wait for each other.
          maxWorkers: 2,
          // After the quick ones, which say what is wrong sooner.
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/*.real.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      // By itself only (npm run test:capi): Cluster API's managers are built for it, which takes eight minutes once.
      {
        test: {
          name: 'capi',
          include: ['test/**/*.capi.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
        },
      },
      // By itself only (npm run test:nodes), on a machine that does nothing else: the nodes are emulated, and Kubernetes has time limits.
      { test: { name: 'nodes', include: ['test/nodes/*.nodes.test.ts'], maxWorkers: 1 } },
      // By itself only (npm run test:soak), on a machine that does nothing else: it looks at memory.
      { test: { name: 'soak', include: ['test/soak/*.real.test.ts'], hookTimeout: 300_000, maxWorkers: 1 } },
    ],
  },
});
