/** Lists the readers of manifests. For manifests with terraform see fuzz.real.test.ts. */

import { ManifestError } from '../../src/api/manifest/error.ts';
import { parseManifests } from '../../src/api/manifest/parse.ts';
import { manifestText } from './manifest-arbitrary.ts';
import { type Reader, reader, refusedBy } from './reader.ts';

export const MANIFEST_READERS: readonly Reader[] = [
  reader({
    name: 'manifests',
    runs: 2_000,
    inputs: manifestText,
    async read(text) {
      try {
        return await refusedBy([], () =>
          parseManifests(text, 'fuzz.yaml', { environment: { CAPLV_NAME: 'a' } }),
        );
      } catch (error) {
        // It lists each problem, as the command line shows them.
        if (error instanceof ManifestError) return 'refused';
        throw error;
      }
    },
  }),
];
