/** Verifies that a partial run of the fault tests updates its own sections of REPORT.md only. */

import { expect, test } from 'vitest';
import { updated } from './report.ts';

const fault = { fault: 'SIGKILL of terraform', seen: 'Ready=False', outcome: 'created again' };

test('a run of one file keeps the sections of others, in a stable order, and drops sections of deleted files', () => {
  const first = updated(
    '',
    [
      { name: 'b', faults: [fault] },
      { name: 'gone', faults: [fault] },
    ],
    ['b', 'gone'],
  );
  const second = updated(
    first,
    [{ name: 'a', faults: [{ ...fault, seen: 'x | y' }, fault, fault] }],
    ['a', 'b'],
  );
  expect(second).toMatchInlineSnapshot(`
    "# Faults and outcomes

    Written by \`npm run test:faults\`: what each test of this directory broke on the real thing, what was to be seen, and how it ended.

    ## a

    | Fault | Seen | Outcome |
    | --- | --- | --- |
    | SIGKILL of terraform | Ready=False | created again |
    | SIGKILL of terraform | x \\| y | created again |

    ## b

    | Fault | Seen | Outcome |
    | --- | --- | --- |
    | SIGKILL of terraform | Ready=False | created again |
    "
  `);
  expect(updated(second, [{ name: 'b', faults: [fault] }], ['b', 'a'])).toBe(second);
});
