/** What a shell asks when Tab is pressed: `caplv __complete WORD…` prints the words that may come next. Never fails. */

import type { Command } from 'commander';
import { printable } from '../../telemetry/printable.ts';
import { EXIT } from '../output/exit-code.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { completionOf } from './words.ts';

/** A person waits: an API server that does not answer has no names. */
const TIMEOUT_MS = 2_000;

export async function complete(program: Command, typed: readonly string[]): Promise<number> {
  const { words, objects, flags } = completionOf(program, typed);
  const last = typed.at(-1) ?? '';
  const candidates = [...words];
  if (objects) {
    const names = await withinTime(namesOf(objects.kindName, flagsOf(flags)));
    names.sort();
    candidates.push(...names.map((name) => `${objects.prefix}${name}`).filter((one) => one.startsWith(last)));
  }
  // What a shell could take for more than a word is no name of an object.
  const safe = candidates.filter((one) => /^[\w./:@=,-]+$/.test(one));
  if (safe.length > 0) process.stdout.write(printable(`${safe.join('\n')}\n`));
  return EXIT.ok;
}

function flagsOf(flags: ReadonlyMap<string, string>): ClusterFlags {
  const given = (name: string, variable: string) => flags.get(name) ?? process.env[variable];
  const flagsGiven = {
    kubeconfig: given('kubeconfig', 'CAPLV_KUBECONFIG'),
    stateDir: given('state-dir', 'CAPLV_STATE_DIR'),
    namespace: flags.get('namespace') ?? process.env['CAPLV_NAMESPACE'],
  };
  return Object.fromEntries(Object.entries(flagsGiven).filter(([, value]) => value !== undefined));
}

async function namesOf(kindName: string, flags: ClusterFlags): Promise<string[]> {
  const { requireKind } = await import('../session/errors.ts');
  const kind = await requireKind(kindName, flags.kubeconfig);
  const names: string[] = [];
  const { kubeconfig } = flags;
  if (kubeconfig === undefined) {
    const { configOf } = await import('../../app/config.ts');
    const { LocalStore } = await import('../../store/local-store.ts');
    const { stateDir, namespace } = configOf(flags);
    const store = await LocalStore.open(stateDir);
    const objects = await store.list(kind, { namespace, onUnreadable: () => {} });
    names.push(...objects.map(({ metadata }) => metadata.name));
  } else {
    const { withCluster } = await import('../session/cluster-session.ts');
    await withCluster({ ...flags, kubeconfig }, async ({ cluster, config: { namespace } }) => {
      const { items } = await cluster.client.list(kind, {
        namespace,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      names.push(...items.map(({ metadata }) => metadata.name));
      return EXIT.ok;
    });
  }
  return names;
}

async function withinTime(names: Promise<string[]>): Promise<string[]> {
  try {
    return await names;
  } catch {
    return [];
  }
}
