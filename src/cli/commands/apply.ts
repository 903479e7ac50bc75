/** `caplv apply`: manifests into the store, then of every object what it says. */

import { MachineKind } from '../../api/kinds/machine.ts';
import { loadManifests } from '../../api/manifest/load.ts';
import type { KubeObject, ObjectKey } from '../../apimachinery/object.ts';
import { reportError } from '../output/errors.ts';
import { EXIT, exitCodeOf } from '../output/exit-code.ts';
import { type ApplyFlags, keyOf, kindOf, sortByKind, storeManifest, waitOf } from '../session/manifests.ts';
import { NamedDisks } from '../session/named-disks.ts';
import { type Session, withSession } from '../session/session.ts';

export async function apply(flags: ApplyFlags): Promise<number> {
  const waitMs = waitOf(flags);
  const disks = new NamedDisks([flags.allowReplaceDisk ?? []].flat(), flags.namespace ?? 'default');
  return withSession(
    flags,
    async (session) => {
      const { config, store, terminal } = session;
      const { recursive: isRecursive = false, filename, dryRun } = flags;
      const { namespace } = config;
      const manifests = sortByKind(await loadManifests(filename, { namespace, isRecursive }));
      const objects = manifests.map(({ object }) => object);
      const machines = objects.filter(({ kind }) => kind === MachineKind.kind);
      disks.requireAmong(machines.map(keyOf));
      if (dryRun) {
        await (await import('../objects/apply-preview.ts')).previewApply(
          session,
          manifests,
          dryRun === true ? 'client' : dryRun,
        );
        return EXIT.ok;
      }
      for (const manifest of manifests) await storeManifest(store, terminal, manifest);
      const notice = session.notice(objects);
      if (notice !== undefined) terminal.say(notice);
      const codes = await eachLimited(objects, session.atOnce, (object) => realize(session, object, waitMs));
      const next = session.next(machines.map(({ metadata }) => metadata.name));
      const isDone = codes.every((code) => code === EXIT.ok);
      if (next !== undefined && machines.length > 0 && isDone) terminal.say(next);
      return Math.max(EXIT.ok, ...codes);
    },
    {
      allowReplace: flags.allowReplace ?? false,
      allowRestart: flags.allowRestart ?? false,
      ...(flags.allowReplaceDisk && { allowReplaceDisks: (key: ObjectKey) => disks.of(key) }),
    },
  );
}

async function realize(session: Session, object: KubeObject, waitMs: number | undefined): Promise<number> {
  try {
    await session.realize(object, waitMs);
    return EXIT.ok;
  } catch (error) {
    reportError(session.terminal, error, `${kindOf(object).singular}/${object.metadata.name}`);
    return exitCodeOf(error);
  }
}

/** Order of the results is that of the items. Clusters come before Machines, so they also start first. */
async function eachLimited<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index] as T;
      results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
