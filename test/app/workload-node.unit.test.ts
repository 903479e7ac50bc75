/** Verifies that an invalid Node is reported as a problem, and throws nothing. */

import { expect, it } from 'vitest';
import { readNode } from '../../src/app/workload-node.ts';

/** JSON can say it, and nothing can compare it. */
const ODD = { toString: 1, valueOf: 1 };

it.each([
  ['that is none', 7, /^: /],
  ['without a name', { metadata: {} }, /^metadata\.name: /],
  ['with a list for a name', { metadata: { name: ['n'] } }, /^metadata\.name: /],
  ['with a kind whose length is no number', { metadata: { name: 'n' }, kind: { length: ODD } }, /^: a field/],
  [
    'with addresses whose length is no number',
    { metadata: { name: 'n' }, status: { addresses: { length: ODD } } },
    /^: a field/,
  ],
])('a Node %s is a problem, and no error', (_, object, problem) => {
  expect(readNode(object)).toEqual({ problem: expect.stringMatching(problem) });
});
