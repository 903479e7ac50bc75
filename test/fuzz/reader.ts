/** Describes a reader of untrusted input, and how it may refuse. */

import type fc from 'fast-check';

/** What became of one input. */
export type Outcome = 'read' | 'refused';

/** Something of ours that reads what a tenant, a host or a server writes. */
export interface Reader {
  readonly name: string;
  /** Inputs of a whole campaign. */
  readonly runs: number;
  readonly inputs: fc.Arbitrary<unknown>;
  /** Throws for what must not happen: an error of another kind than its callers expect, or an answer that is none. */
  read(input: unknown): Outcome | Promise<Outcome>;
}

export function reader<I>(one: {
  readonly name: string;
  readonly runs: number;
  readonly inputs: fc.Arbitrary<I>;
  read(input: I): Outcome | Promise<Outcome>;
}): Reader {
  return one as Reader;
}

type ErrorClass = abstract new (...parameters: never[]) => Error;

/** `refused` if `read` throws one of these errors, with a message that fits into a status. */
export async function refusedBy(errors: readonly ErrorClass[], read: () => unknown): Promise<Outcome> {
  try {
    await read();
    return 'read';
  } catch (error) {
    if (!errors.some((one) => error instanceof one)) throw error;
    const { message } = error as Error;
    if (message.length > MESSAGE_CHARACTERS) throw new Error(`a message of ${message.length} characters`);
    return 'refused';
  }
}

/** Characters of an error that goes into a status. */
const MESSAGE_CHARACTERS = 4_096;

/** Throws unless `isTrue`. */
export function require(isTrue: boolean, what: string): asserts isTrue {
  if (!isTrue) throw new Error(`this must not be: ${what}`);
}
