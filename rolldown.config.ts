/**
 * The command in few files: loading a hundred small ones is most of the time that a short call takes (`caplv get machines`:
 * 245 → 115 ms). Only what is hardly ever loaded stays outside. In one file each: what all calls load, and what `get` loads before
 * it asks a host.
 */
import type { OutputOptions, RolldownOptions } from 'rolldown';

/** Returns what rolldown needs to know; `id` names the directory of all files but `bin.js`. */
export function buildOptions(id: string): RolldownOptions & { readonly output: OutputOptions } {
  return {
    input: { bin: 'src/bin.ts', 'synth-worker': 'stacks/synth-worker.ts' },
    platform: 'node',
    external: [/^@kubernetes\/client-node/],
    output: {
      entryFileNames: ({ name }) => (name === 'bin' ? 'bin.js' : `${id}/[name].js`),
      chunkFileNames: `${id}/[name]-[hash].js`,
      codeSplitting: {
        groups: [
          { name: 'cli', test: /src\/cli\/program\.ts$/, priority: 2 },
          { name: 'get', test: /src\/cli\/commands\/get\.ts$/, priority: 1 },
        ],
      },
    },
  };
}
