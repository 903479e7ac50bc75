/** `caplv orphans`: what is on the hosts by our names and marks and in no Terraform state, and what is to become of it. */

import { formatKey } from '../../apimachinery/object-key.ts';
import type { Engine } from '../../app/engine.ts';
import type { Orphan } from '../../controllers/orphans/classify.ts';
import {
  type HostObservation,
  isIn,
  OrphanSweep,
  type OrphanSweepOptions,
} from '../../controllers/orphans/collector.ts';
import { hostsOf, idOf } from '../../controllers/orphans/periodic-sweep.ts';
import { CaplvError } from '../../errors.ts';
import type { Policy } from '../../intent/policy.ts';
import { reportError } from '../output/errors.ts';
import { EXIT } from '../output/exit-code.ts';
import { formatData } from '../output/serialize.ts';
import type { Streams } from '../output/streams.ts';
import { formatTable } from '../output/table.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { withEngine } from '../session/engine-session.ts';

export interface OrphansFlags extends ClusterFlags {
  readonly fix?: boolean;
  readonly output?: 'wide' | 'json' | 'yaml';
}

/** Exit codes: 0 there are none (left), 1 a host or a fix failed, 2 there are some. */
export async function orphans(flags: OrphansFlags): Promise<number> {
  const unknown = new Set<string>();
  const hasIncompleteState = async ({ uid }: { readonly uid: string }) => unknown.delete(uid);
  return withEngine(
    flags,
    ({ engine, config, terminal, ownership }) => {
      const adopt: OrphanSweepOptions['adopt'] = async ({ uid, ...key }) => {
        unknown.add(uid);
        await engine.machines.reconcile(key);
      };
      const { store } = engine;
      const isWatched = isIn(config.watchNamespaces);
      const { installation } = store;
      const sweep = new OrphanSweep({ ...engine, ...ownership, installation, isWatched, adopt });
      return work({ sweep, store, policy: config.policy, terminal, flags });
    },
    { hasIncompleteState },
  );
}

interface Work {
  readonly sweep: OrphanSweep;
  readonly store: Engine['store'];
  readonly policy: Policy;
  readonly terminal: Streams;
  readonly flags: OrphansFlags;
}

async function work({ sweep, store, policy, terminal, flags }: Work): Promise<number> {
  let failed = false;
  const attempt = async <T>(what: string, doing: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await doing();
    } catch (error) {
      if (!(error instanceof CaplvError)) throw error;
      failed = true;
      reportError(terminal, error, what);
      return undefined;
    }
  };
  const rows: Orphan[] = [];
  for (const uri of await hostsOf(store, policy)) {
    let look: HostObservation | undefined = await attempt(uri, () => sweep.look(uri));
    if (flags.fix && look) look = await fixed(sweep, look, terminal, attempt);
    rows.push(...(look?.orphans ?? []));
  }
  show(rows, terminal, flags);
  if (failed) return EXIT.failed;
  return rows.length > 0 ? EXIT.changes : EXIT.ok;
}

/** Puts right what two looks show. Returns what is left. */
async function fixed(
  sweep: OrphanSweep,
  first: HostObservation,
  terminal: Streams,
  attempt: <T>(what: string, doing: () => Promise<T>) => Promise<T | undefined>,
): Promise<HostObservation> {
  const wanted = new Set(first.orphans.filter(({ action }) => action !== 'keep').map(idOf));
  let look = first;
  // What is done for one of a machine is done for all of it: so each is looked for again.
  for (const id of wanted) {
    look = (await attempt(first.uri, () => sweep.look(first.uri))) ?? look;
    const orphan = look.orphans.find((one) => idOf(one) === id);
    if (!orphan) continue;
    const what = `${orphan.kind}/${orphan.name}`;
    const now = look;
    const isDone = await attempt(what, async () => {
      await sweep.fix(now, orphan);
      return true;
    });
    if (isDone) terminal.say(`${what} ${orphan.action === 'adopt' ? 'adopted' : 'removed'}: ${orphan.why}`);
  }
  return (await attempt(first.uri, () => sweep.look(first.uri))) ?? look;
}

function show(orphans: readonly Orphan[], terminal: Streams, { output, fix }: OrphansFlags): void {
  if (output === 'json' || output === 'yaml') {
    terminal.out(formatData(orphans.map(asData), output));
    return;
  }
  if (orphans.length === 0) {
    terminal.say('The hosts have nothing that no Terraform state tracks.');
    return;
  }
  const wide = output === 'wide';
  const header = ['KIND', 'NAME', 'MACHINE', 'ACTION', 'WHY', ...(wide ? ['POOL', 'UID'] : [])];
  const rows = orphans.map((one) => {
    const data = asData(one);
    return [
      one.kind,
      one.name,
      data.machine ?? '',
      one.action,
      one.why,
      ...(wide ? [one.pool ?? one.network ?? '', one.machine?.uid ?? ''] : []),
    ];
  });
  terminal.out(formatTable(header, rows));
  if (!fix && orphans.some(({ action }) => action !== 'keep')) {
    terminal.say('Next: caplv orphans --fix does what ACTION says; keep means that nothing is done');
  }
}

function asData({ machine, ownerExists: _, ...orphan }: Orphan) {
  return { ...orphan, ...(machine && { machine: formatKey(machine), uid: machine.uid }) };
}
