/** Verifies that a partial run of the fault tests updates its own sections of REPORT.md only. */

import { expect, test } from 'vitest';
import { updated } from './report.ts';

const fault = { fault: 'SIGKILL of terraform', seen: 'Ready=False', outcome: 'made anew' };

test('a run of one file leaves what others found, in a stable order, and forgets files that are no more', () => {
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
    | SIGKILL of terraform | Ready=False | made anew |
    | SIGKILL of terraform | x \\| y | made anew |

    ## b

    | Fault | Seen | Outcome |
    | --- | --- | --- |
    | SIGKILL of terraform | Ready=False | made anew |
    "
  `);
  expect(updated(second, [{ name: 'b', faults: [fault] }], ['b', 'a'])).toBe(second);
});
