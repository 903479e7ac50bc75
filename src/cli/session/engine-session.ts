/** The session of commands that ask libvirt and Terraform themselves, about objects and states of the local store or of a cluster. */

import { MachineKind } from '../../api/kinds/machine.ts';
import type { Config } from '../../app/config.ts';
import type { Engine, EngineOptions } from '../../app/engine.ts';
import type { OrphanSweepOptions } from '../../controllers/orphans/collector.ts';
import { installationId } from '../../store/installation.ts';
import type { OverlayBase } from '../../store/overlay-store.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import type { Streams } from '../output/streams.ts';
import { withClusterEngine } from './cluster-engine-session.ts';
import type { ClusterFlags } from './cluster-session.ts';
import { withContext } from './local-session.ts';

export interface EngineSession {
  readonly config: Config;
  readonly terminal: Streams;
  readonly engine: Engine & { readonly store: OverlayBase };
  /** Finds the state of host `uri` for all that asks for it afterwards, where it may be in several places. */
  readonly locateHost: (uri: AllowedHost) => Promise<void>;
  /** How a sweep knows what is of this installation. */
  readonly ownership: Pick<OrphanSweepOptions, 'identify' | 'derivesUid'>;
  /** What lets a plan go ahead that replaces something, for a message. */
  readonly replacing: string;
}

/** Runs `work` with all it needs and closes everything after it. Returns its exit code. */
export async function withEngine(
  flags: ClusterFlags,
  work: (session: EngineSession) => Promise<number>,
  options: Pick<EngineOptions, 'hasIncompleteState'> = {},
): Promise<number> {
  const { kubeconfig } = flags;
  if (kubeconfig === undefined) {
    return withContext(
      flags,
      ({ config, terminal, engine }) => {
        const ownership: EngineSession['ownership'] = {
          identify: () => installationId(config.stateDir),
          derivesUid: (key, uidStart) => engine.store.uidOf(MachineKind, key).startsWith(uidStart),
        };
        const replacing = 'replacing needs --allow-replace';
        return work({ config, terminal, engine, locateHost: async () => {}, ownership, replacing });
      },
      options,
    );
  }
  return withClusterEngine(
    { ...flags, kubeconfig },
    ({ config, terminal, engine, locateHost, cluster }) => {
      const ownership = { identify: cluster.installation };
      const replacing = 'replacing is refused until the plan in the status of the object is approved';
      return work({ config, terminal, engine, locateHost, ownership, replacing });
    },
    options,
  );
}
