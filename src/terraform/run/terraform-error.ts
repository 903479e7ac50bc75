/** Makes the error of a failed run from Terraform's diagnostics. */

import { TransientError } from '../../errors.ts';
import { type AppliedChange, appliedChanges } from '../format/apply-result.ts';
import { holderFromDiagnostics, stateLocked } from '../format/lock-info.ts';
import type { Diagnostic } from '../format/messages.ts';
import { readable } from '../format/readable.ts';
import type { RunOutcome } from './process.ts';

/** A run of terraform failed. What that means is for the caller to say: see the table in the actuator. */
export class TerraformError extends Error {
  /** For example `plan`, `apply`, `init`. */
  readonly verb: string;
  /** `null` if a signal ended the process. */
  readonly exitCode: number | null;
  /** Errors only, in Terraform's order. */
  readonly diagnostics: readonly Diagnostic[];
  /** What had been done, and is in the state, when the run failed. */
  readonly applied: readonly AppliedChange[];

  constructor(verb: string, outcome: RunOutcome) {
    const diagnostics = errorsOf(outcome);
    super(
      `terraform ${verb} failed: ${readable(explain(diagnostics, outcome).slice(0, MESSAGE_CHARACTERS))}`,
    );
    this.name = 'TerraformError';
    this.verb = verb;
    this.exitCode = outcome.exitCode;
    this.diagnostics = diagnostics;
    this.applied = appliedChanges(outcome.messages);
  }
}

/** Characters of what terraform said. Texts of servers and of libvirt may be in it, and expressions are matched against it. */
export const MESSAGE_CHARACTERS = 8 * 1024;

/** The error of a run that failed: StateLockedError or Conflict (TransientError) where that is all there is to say, else TerraformError. */
export function failureOf(verb: string, outcome: RunOutcome): Error {
  const error = new TerraformError(verb, outcome);
  const holder = holderFromDiagnostics(error.diagnostics);
  if (holder !== undefined) return stateLocked(holder, error);
  if (error.diagnostics.some(({ summary }) => summary === 'Saved plan is stale')) {
    return new TransientError({
      code: 'Conflict',
      message: 'The state was changed after the plan was made, so the plan was not applied',
      fix: 'make a new plan',
      retryAfterMs: 0,
      cause: error,
    });
  }
  return error;
}

/** Terraform refused to put a state in the place of one of another lineage, or of the same or a later serial. */
export const STATE_MISMATCH =
  /cannot (import|overwrite) .*state with (lineage|serial)|does not match the given state/i;

export function isStateMismatch(error: unknown): boolean {
  return error instanceof TerraformError && STATE_MISMATCH.test(error.message);
}

function errorsOf(outcome: RunOutcome): Diagnostic[] {
  return outcome.messages
    .filter((message) => message.type === 'diagnostic')
    .map((message) => message.diagnostic)
    .filter(({ severity }) => severity === 'error');
}

function explain(diagnostics: readonly Diagnostic[], outcome: RunOutcome): string {
  if (diagnostics.length > 0) return diagnostics.map(oneDiagnostic).join('; ');
  const end =
    outcome.exitCode === null
      ? 'a signal ended it: the kernel does that when memory is short'
      : `exit code ${outcome.exitCode}`;
  return `${plainError(outcome.text) ?? 'it said nothing of why'} (${end})`;
}

/**
 * The first error in text for people, which is what commands without -json print, and crashes. Leaves out the lines of
 * the configuration that Terraform quotes (`on cdk.tf.json line 3, in …:` and `3: …`): they hold user data.
 */
function plainError(text: readonly string[]): string | undefined {
  const lines = text.map((line) => line.replace(/^[│╷╵\s]+/, '').trim()).filter((line) => line !== '');
  const first = lines.findIndex((line) => line.startsWith('Error:') || line.startsWith('panic:'));
  if (first === -1) return lines.at(-1);
  if (lines[first]?.startsWith('panic:')) return lines[first];
  const next = lines.findIndex((line, index) => index > first && line.startsWith('Error:'));
  const own = lines.slice(first, next === -1 ? undefined : next);
  const [summary = '', ...detail] = own.filter(
    (line) => !/^on .* line \d+/.test(line) && !/^\d+: /.test(line),
  );
  return [summary.replace(/^Error: /, ''), detail.join(' ')].filter((part) => part !== '').join(': ');
}

function oneDiagnostic({ summary, detail, address }: Diagnostic): string {
  const where = address === undefined || address.startsWith('provider[') ? '' : `${address}: `;
  return where + (detail === '' || detail === summary ? summary : `${summary}: ${detail}`);
}
