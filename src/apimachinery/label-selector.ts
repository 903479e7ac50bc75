/** Kubernetes label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. */

import { TerminalError } from '../errors.ts';

type Labels = Readonly<Record<string, string>>;

const TERM =
  /^(?<not>!)?\s*(?<key>[\w./-]+)\s*(?:(?<operator>=|==|!=)\s*(?<value>[\w.-]*)|(?<set>in|notin)\s*\((?<values>[^)]*)\))?$/;

/** Compiles a selector. Throws `TerminalError` InvalidConfiguration when it is malformed. An empty selector matches all. */
export function parseLabelSelector(selector: string): (labels: Labels | undefined) => boolean {
  const terms = selector
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== '')
    .map(parseTerm);
  return (labels) => terms.every((matches) => matches(labels ?? {}));
}

function parseTerm(term: string): (labels: Labels) => boolean {
  const groups = TERM.exec(term)?.groups;
  const key = groups?.['key'];
  if (!groups || key === undefined) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: `label selector term "${term}" is malformed`,
      fix: 'write key=value, key!=value, key in (a,b), key notin (a,b), key or !key',
    });
  }
  const { not, operator, value, set, values } = groups;
  if (operator === '!=') return (labels) => labels[key] !== value;
  if (operator) return (labels) => labels[key] === value;
  if (set) {
    const wanted = new Set((values ?? '').split(',').map((item) => item.trim()));
    const isIn = (labels: Labels) => labels[key] !== undefined && wanted.has(labels[key]);
    return set === 'in' ? isIn : (labels) => !isIn(labels);
  }
  return not ? (labels) => labels[key] === undefined : (labels) => labels[key] !== undefined;
}
