/** Reads from Terraform's messages what an apply has changed. */

import type { Message } from './messages.ts';
import type { ResourceChange } from './resource-change.ts';

export interface AppliedChange extends ResourceChange {
  readonly durationMs: number;
  /** Id of the object; absent after a deletion. */
  readonly id?: string;
}

export interface ApplyResult {
  /** What was done, in order; a replacement is a deletion and a creation. */
  readonly changes: readonly AppliedChange[];
  /** Values of the outputs that are not sensitive. */
  readonly outputs: Readonly<Record<string, unknown>>;
}

export function applyResultFrom(messages: readonly Message[]): ApplyResult {
  return { changes: appliedChanges(messages), outputs: outputs(messages) };
}

/** What has been done, whether the run ended well or not. */
export function appliedChanges(messages: readonly Message[]): AppliedChange[] {
  const started = new Map<string, number>();
  const changes: AppliedChange[] = [];
  for (const message of messages) {
    if (message.type === 'apply_start') started.set(message.change.address, message.at);
    if (message.type === 'apply_complete') {
      const since = started.get(message.change.address) ?? message.at;
      changes.push({
        ...message.change,
        durationMs: message.at - since,
        ...(message.id !== undefined && message.change.action !== 'delete' && { id: message.id }),
      });
    }
  }
  return changes;
}

/** Terraform prints outputs twice in a run that plans and applies; the last ones have values. */
function outputs(messages: readonly Message[]): Record<string, unknown> {
  const last = messages.findLast((message) => message.type === 'outputs');
  if (last === undefined) return {};
  return Object.fromEntries(
    Object.entries(last.outputs)
      .filter(([, output]) => !output.sensitive)
      .map(([name, output]) => [name, output.value]),
  );
}
