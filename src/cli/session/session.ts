/**
 * One session for every command: the objects, the Terraform states, and what works on both. Only this file knows that there are two
 * places for them, the local store, where the command itself does the work, and a cluster, where a controller does.
 */

import type { StateBackends } from '../../actuator/context/state-home.ts';
import type { ClusterConnection } from '../../app/cluster-connection.ts';
import type { Config } from '../../app/config.ts';
import type { KubeEvent } from '../../kube/runtime/events.ts';
import type { OverlayBase } from '../../store/overlay-store.ts';
import type { Store } from '../../store/store.ts';
import type { Streams } from '../output/streams.ts';
import { type ClusterFlags, withCluster } from './cluster-session.ts';
import { ClusterWork } from './cluster-work.ts';
import type { InterruptOptions } from './interrupt.ts';
import { withContext } from './local-session.ts';
import { LocalWork } from './local-work.ts';
import type { SessionOptions, Work } from './work.ts';

export interface EventFilter {
  readonly namespace?: string | undefined;
  readonly kind?: string;
  readonly name?: string;
}

export interface Session extends Work {
  readonly config: Config;
  readonly terminal: Streams;
  readonly store: Store;
  /** The same with the machines and clusters of the current Cluster API, see `machineKey`. */
  readonly bothApis: Pick<Store, 'get'>;
  readonly workspaces: StateBackends;
  /** Lists events, of one object or all, in a namespace or all; absent over the local store, which keeps none. */
  readonly events?: (filter: EventFilter) => Promise<KubeEvent[]>;
  /** See `OverlayBase`. */
  readonly preview: OverlayBase['preview'];
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Runs `work` with all it needs and closes everything after it. Returns its exit code. */
export async function withSession(
  flags: ClusterFlags,
  work: (session: Session) => Promise<number>,
  options: SessionOptions & InterruptOptions = {},
): Promise<number> {
  const { kubeconfig } = flags;
  if (kubeconfig === undefined) {
    return withContext(
      flags,
      (context) => {
        const { config, terminal, engine, signal } = context;
        const { store, workspaces } = engine;
        const preview: OverlayBase['preview'] = (...request) => store.preview(...request);
        const shown = { config, terminal, store, bothApis: store, workspaces, preview, signal };
        return work(Object.assign(new LocalWork(context), shown));
      },
      options,
    );
  }
  ClusterWork.refuseFlags(options);
  return withCluster(
    { ...flags, kubeconfig },
    async (context) => {
      const { config, terminal, cluster, signal } = context;
      const { store, workspaces } = cluster;
      const { storeOfBothApis } = await import('./both-apis.ts');
      const bothApis = storeOfBothApis(cluster);
      const preview: OverlayBase['preview'] = (...request) => store.preview(...request);
      const events: Session['events'] = (filter) => eventsOf(cluster, filter);
      const shown = { config, terminal, store, bothApis, workspaces, events, preview, signal };
      return work(Object.assign(new ClusterWork(context), shown));
    },
    options,
  );
}

async function eventsOf(
  { client }: Pick<ClusterConnection, 'client'>,
  { namespace, kind, name }: EventFilter,
): Promise<KubeEvent[]> {
  const { EventKind } = await import('../../kube/runtime/events.ts');
  const fields = [kind && `involvedObject.kind=${kind}`, name && `involvedObject.name=${name}`].filter(
    Boolean,
  );
  const { items } = await client.list(EventKind, {
    ...(namespace === undefined ? {} : { namespace }),
    ...(fields.length > 0 && { fieldSelector: fields.join(',') }),
  });
  return items;
}
