import { defineConfig } from 'vitest/config';

/** Two groups: `unit` needs Node only and ends in seconds, `real` needs root, libvirt, QEMU and terraform. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/**/*.unit.test.ts'] } },
      {
        test: {
          name: 'real',
          include: ['test/**/*.real.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          // Two cores: more guests at once only wait for each other.
          maxWorkers: 2,
        },
      },
    ],
  },
});
