/** `caplv label` and `caplv annotate`. */

import { parseLabelSelector } from '../../../apimachinery/label-selector.ts';
import type { KubeObject } from '../../../apimachinery/object.ts';
import { type CaplvError, TerminalError } from '../../../errors.ts';
import { type MetadataChange, parseMetadataArguments } from '../../names/metadata-arguments.ts';
import { parseObjectArguments } from '../../names/object-arguments.ts';
import { changeObject } from '../../objects/change-object.ts';
import { findObjects } from '../../objects/find-objects.ts';
import type { SelectionFlags } from '../../objects/get-request.ts';
import { reportError } from '../../output/errors.ts';
import { EXIT } from '../../output/exit-code.ts';
import { requireKinds, type WantedObjects } from '../../session/errors.ts';
import { withSession } from '../../session/session.ts';

export interface MetadataFlags extends SelectionFlags {
  readonly all?: boolean;
  /** Give another value to what is there. */
  readonly overwrite?: boolean;
}

export function label(words: readonly string[], flags: MetadataFlags): Promise<number> {
  return changeMetadata('label', words, flags);
}

export function annotate(words: readonly string[], flags: MetadataFlags): Promise<number> {
  return changeMetadata('annotation', words, flags);
}

async function changeMetadata(
  what: 'label' | 'annotation',
  words: readonly string[],
  flags: MetadataFlags,
): Promise<number> {
  const change = parseMetadataArguments(words, what);
  const wanted = await requireKinds(
    change.objects.length > 0 ? parseObjectArguments(change.objects) : [],
    flags.kubeconfig,
  );
  parseLabelSelector(flags.selector ?? '');
  requireChosen(what, wanted, flags);
  const [done, undone] = what === 'label' ? ['labeled', 'unlabeled'] : ['annotated', 'annotated'];
  return withSession(flags, async (session) => {
    const { terminal, store } = session;
    const found = await findObjects(session, wanted, flags);
    const problems: [CaplvError, string?][] = found
      .flatMap(({ missing, unreadable }): CaplvError[] => [...missing, ...unreadable])
      .map((error) => [error]);
    for (const { kind, objects } of found) {
      for (const { metadata } of objects) {
        const name = `${kind.singular}/${metadata.name}`;
        const key = { namespace: metadata.namespace ?? 'default', name: metadata.name };
        try {
          const { isChanged } = await changeObject(store, kind, key, (object) =>
            withMetadata(object, what, change, flags.overwrite ?? false),
          );
          const result = Object.keys(change.set).length > 0 ? done : undone;
          terminal.out(`${name} ${isChanged ? result : `not ${done}`}`);
        } catch (error) {
          if (!(error instanceof TerminalError)) throw error;
          problems.push([error, name]);
        }
      }
    }
    for (const [error, name] of problems) reportError(terminal, error, name);
    return problems.length > 0 ? EXIT.failed : EXIT.ok;
  });
}

/** Returns the object with the change; undefined if it has it already. Throws TerminalError for a value that is not to be overwritten. */
export function withMetadata(
  object: KubeObject,
  what: 'label' | 'annotation',
  { set, remove }: MetadataChange,
  overwrite: boolean,
): KubeObject | undefined {
  const field = `${what}s` as const;
  const before = object.metadata[field] ?? {};
  const isSame =
    Object.entries(set).every(([key, value]) => before[key] === value) &&
    remove.every((key) => before[key] === undefined);
  if (isSame) return undefined;
  const kept = Object.keys(set).find((key) => before[key] !== undefined && before[key] !== set[key]);
  if (kept !== undefined && !overwrite) {
    throw new TerminalError({
      code: 'InvalidConfiguration',
      message: `${what} ${kept} has a value already: ${before[kept]}`,
      fix: 'give it another one with --overwrite',
    });
  }
  const after = Object.fromEntries(
    Object.entries({ ...before, ...set }).filter(([key]) => !remove.includes(key)),
  );
  return { ...object, metadata: { ...object.metadata, [field]: after } };
}

function requireChosen(
  what: string,
  wanted: readonly WantedObjects[],
  { all = false, selector }: MetadataFlags,
): void {
  const hasNames = wanted.length > 0 && wanted.every(({ names }) => names.length > 0);
  if ([hasNames, all, selector !== undefined].filter(Boolean).length === 1 && wanted.length > 0) return;
  const command = what === 'label' ? 'label' : 'annotate';
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: `${command} takes either a kind and names, or a kind with --all or -l LABELS`,
    fix: `for example: caplv ${command} machine/web tier=front, or caplv ${command} machines --all tier-`,
  });
}
