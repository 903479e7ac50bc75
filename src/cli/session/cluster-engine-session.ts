/** For commands that ask libvirt themselves about what a cluster holds: its objects and states, and an engine here. */

import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StateBackends } from '../../actuator/context/state-home.ts';
import { LocalStateBackends } from '../../actuator/state/local.ts';
import { IPAM_KINDS } from '../../api/infrastructure/ipam.ts';
import type { ObjectKey, ResourceKind } from '../../apimachinery/object.ts';
import { assembleEngine, type Engine, type EngineOptions } from '../../app/engine.ts';
import { AddressClaims } from '../../controllers/infrastructure/address-claims.ts';
import { infrastructureRecorder } from '../../controllers/infrastructure/setup.ts';
import type { OverlayBase } from '../../store/overlay-store.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { terminalRecorder } from '../output/progress.ts';
import { storeOfBothApis } from './both-apis.ts';
import { type ClusterContext, type ClusterFlags, withCluster } from './cluster-session.ts';

export interface ClusterEngineContext extends ClusterContext {
  readonly engine: Engine & { readonly store: OverlayBase };
  /** Finds the state of host `uri`, which a controller keeps in a namespace of its own, for all that asks for it afterwards. */
  readonly locateHost: (uri: AllowedHost) => Promise<void>;
}

/** Of objects that do not exist; the API server will give them others. */
const NEW_UID = '00000000-0000-4000-8000-';

export async function withClusterEngine(
  flags: ClusterFlags & { readonly kubeconfig: string },
  work: (context: ClusterEngineContext) => Promise<number>,
  options: Pick<EngineOptions, 'hasIncompleteState'> = {},
): Promise<number> {
  return withCluster(flags, async (context) => {
    const { cluster, config, terminal } = context;
    const scratch = await mkdtemp(join(tmpdir(), 'caplv-plan-'));
    const local = new LocalStateBackends(scratch);
    const namespaces = new Map<string, string>();
    const locateHost = async (uri: AllowedHost) => {
      const namespace = await cluster.workspaces.namespaceOfHost(uri);
      if (namespace !== undefined) namespaces.set(uri, namespace);
    };
    const workspaces: StateBackends = {
      // A plan of a new machine leaves nothing in the cluster.
      machine: (machine) =>
        machine.uid?.startsWith(NEW_UID) ? local.machine(machine) : cluster.workspaces.machine(machine),
      host: (uri) => cluster.workspaces.host(uri, namespaces.get(uri)),
      image: (uri, image) => cluster.workspaces.image(uri, image),
      images: (uri) => cluster.workspaces.images(uri),
      machineStates: () => cluster.workspaces.machineStates(),
    };
    const installation = await cluster.installation();
    const { store: own } = cluster;
    const preview: OverlayBase['preview'] = (...request) => own.preview(...request);
    const store = Object.assign(storeOfBothApis(cluster), { installation, uidOf: newUid, preview });
    const { servesKind: servesPool, serves } = cluster;
    const claims = new AddressClaims({
      infrastructure: own,
      store,
      serves: () => serves(IPAM_KINDS),
      servesPool,
    });
    const engine = assembleEngine(config, store, workspaces, {
      ...options,
      beforeRelease: claims.release.bind(claims),
      recorder: infrastructureRecorder(terminalRecorder(terminal)),
    });
    try {
      return await work({ ...context, engine: { ...engine, store }, locateHost });
    } finally {
      await engine.close();
      await rm(scratch, { recursive: true, force: true });
    }
  });
}

function newUid({ kind }: ResourceKind, { namespace, name }: ObjectKey): string {
  return NEW_UID + createHash('sha256').update(`${kind}/${namespace}/${name}`).digest('hex').slice(0, 12);
}
