/** Kubernetes label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`. */

import { TerminalError } from '../errors.ts';

type Labels = Readonly<Record<string, string>>;
type Requirement = (labels: Labels) => boolean;

/** A name with an optional prefix: `app`, `example.com/app`. */
const KEY = String.raw`(?<key>(?:[a-zA-Z0-9](?:[\w.-]*[a-zA-Z0-9])?\/)?[a-zA-Z0-9](?:[\w.-]*[a-zA-Z0-9])?)`;
const VALUE = String.raw`(?:[a-zA-Z0-9](?:[\w.-]*[a-zA-Z0-9])?)?`;
const EXISTS = new RegExp(String.raw`^(?<not>!)?\s*${KEY}$`);
const EQUALS = new RegExp(String.raw`^${KEY}\s*(?<operator>==|=|!=)\s*(?<value>${VALUE})$`);
const COMPARES = new RegExp(String.raw`^${KEY}\s*(?<operator>[<>])\s*(?<value>-?\d{1,15})$`);
/** A bracket may stand for the space after the operator, and only a space ends the key. */
const IN_SET = new RegExp(
  String.raw`^${KEY}\s+(?<operator>in|notin)\s*\((?<values>\s*${VALUE}\s*(?:,\s*${VALUE}\s*)*)\)$`,
);

/** Compiles a selector. Throws `TerminalError` InvalidConfiguration when it is malformed. An empty selector matches all. */
export function parseLabelSelector(selector: string): (labels: Labels | undefined) => boolean {
  if (selector.trim() === '') return () => true;
  const requirements = selector.split(/,(?![^(]*\))/).map((term) => parseTerm(term.trim(), selector));
  return (labels) => requirements.every((matches) => matches(labels ?? {}));
}

function parseTerm(term: string, selector: string): Requirement {
  return exists(term) ?? equals(term) ?? inSet(term) ?? compares(term) ?? refuse(term, selector);
}

function exists(term: string): Requirement | undefined {
  const { key = '', not } = EXISTS.exec(term)?.groups ?? {};
  if (key === '') return undefined;
  return (labels) => (labels[key] === undefined) === (not !== undefined);
}

function equals(term: string): Requirement | undefined {
  const { key = '', operator, value } = EQUALS.exec(term)?.groups ?? {};
  if (key === '') return undefined;
  return (labels) => (labels[key] === value) === (operator !== '!=');
}

/** A label that is missing is in no set. */
function inSet(term: string): Requirement | undefined {
  const { key = '', operator, values = '' } = IN_SET.exec(term)?.groups ?? {};
  if (key === '') return undefined;
  const wanted = new Set<string | undefined>(values.split(',').map((value) => value.trim()));
  return (labels) => wanted.has(labels[key]) === (operator === 'in');
}

/** A label that is missing, or no whole number, is neither larger nor smaller. */
function compares(term: string): Requirement | undefined {
  const { key = '', operator, value } = COMPARES.exec(term)?.groups ?? {};
  if (key === '') return undefined;
  return (labels) => {
    const label = labels[key] ?? '';
    if (!/^-?\d{1,15}$/.test(label)) return false;
    return operator === '>' ? Number(label) > Number(value) : Number(label) < Number(value);
  };
}

function refuse(term: string, selector: string): never {
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message:
      term === ''
        ? `label selector "${selector}" has a comma with nothing before or after it`
        : `label selector term "${term}" is malformed`,
    fix: 'write key=value, key!=value, key in (a,b), key notin (a,b), key, !key, key>1 or key<1, divided by commas',
  });
}
