/** A number of machines, or a share of all of them: 2 or 25%. */

import { z } from 'zod';

const FORM = 'a number of machines or a percentage, for example 1 or 25%';
const PERCENT = /^(100|[1-9]?[0-9])%$/;

export function countOrPercent() {
  return z.union([z.int().min(0), z.string().regex(PERCENT)]).meta({
    'x-kubernetes-int-or-string': true,
    form: FORM,
    // A structural schema cannot say what the number or the string may be.
    'x-kubernetes-validations': [
      {
        rule: `type(self) == int ? int(self) >= 0 : string(self).matches('${PERCENT.source}')`,
        message: `must be ${FORM}`,
      },
    ],
  });
}

/** As a number of machines; `all` is what percentages are of. */
export function countOf(
  value: z.output<ReturnType<typeof countOrPercent>>,
  all: number,
  round: (count: number) => number,
): number {
  return typeof value === 'number' ? value : round((Number.parseInt(value, 10) * all) / 100);
}
