/** Verifies that invalid manifests are refused before anything runs, with the field at fault. */

import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { ManifestError } from '../../src/api/manifest/error.ts';
import { parseManifests } from '../../src/api/manifest/parse.ts';
import { REFUSALS } from './refusals.ts';

describe('refused before anything runs, with the field at fault', () => {
  test.each(REFUSALS)('$what', ({ object, path, says }) => {
    const problems = problemsOf(stringify(object));
    expect(problems).toContainEqual(expect.objectContaining({ path }));
    const found = problems.find((problem) => problem.path === path);
    expect(`${found?.message}; ${found?.fix}`).toContain(says);
  });

  test('each without further refusals, so that users fix only what is broken', () => {
    const counts = REFUSALS.map(({ what, object }) => ({
      what,
      problems: problemsOf(stringify(object)).length,
    }));
    expect(counts.filter(({ problems }) => problems !== 1)).toEqual([]);
  });
});

function problemsOf(text: string) {
  try {
    parseManifests(text, 'test.yaml');
  } catch (error) {
    if (error instanceof ManifestError) return error.problems;
    throw error;
  }
  return [];
}
