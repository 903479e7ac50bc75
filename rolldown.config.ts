import { defineConfig } from 'rolldown';

/**
 * The command in few files: loading a hundred small ones is most of the time that a short call takes (`caplv get machines`:
 * 245 → 115 ms). Only what is hardly ever loaded stays outside. In one file each: what all calls load, and what `get` loads before
 * it asks a host.
 */
export default defineConfig({
  input: { bin: 'src/bin.ts', 'synth-worker': 'stacks/synth-worker.ts' },
  platform: 'node',
  external: [/^@kubernetes\/client-node/],
  output: {
    dir: 'dist',
    cleanDir: true,
    codeSplitting: {
      groups: [
        { name: 'cli', test: /src\/cli\/program\.ts$/, priority: 2 },
        { name: 'look', test: /src\/cli\/commands\/get\.ts$/, priority: 1 },
      ],
    },
  },
});
