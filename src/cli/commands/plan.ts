/** `caplv plan`: what `apply` would do, attribute by attribute. Changes nothing, in the store or on a host. */

import { classified } from '../../actuator/classify-error.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { loadManifests } from '../../api/manifest/load.ts';
import type { ObjectKey } from '../../apimachinery/object.ts';
import type { Config } from '../../app/config.ts';
import { type Engine, openResolver } from '../../app/engine.ts';
import { refuseSharedMac } from '../../controllers/machine/addresses/mac-conflict.ts';
import type { MachineResolver } from '../../controllers/machine/resolver.ts';
import { factsWith, hostIntent } from '../../intent/host-intent.ts';
import { preflight } from '../../intent/preflight.ts';
import { imageOf } from '../../intent/resolve-machine.ts';
import { type OverlayBase, OverlayStore } from '../../store/overlay-store.ts';
import { EXIT } from '../output/exit-code.ts';
import { type MachinePlan, planText } from '../output/plan.ts';
import { formatData } from '../output/serialize.ts';
import type { Terminal } from '../output/streams.ts';
import { withClusterEngine } from '../session/cluster-engine-session.ts';
import { type ClusterFlags, isForCluster } from '../session/cluster-session.ts';
import { withContext } from '../session/local-session.ts';
import { keyOf } from '../session/manifests.ts';

export interface PlanFlags extends ClusterFlags {
  readonly filename: readonly string[];
  readonly output?: 'json' | 'yaml';
}

export async function plan(flags: PlanFlags): Promise<number> {
  if (isForCluster(flags)) {
    return withClusterEngine(flags, (context) => planAll(context, flags, REPLACING_IN_CLUSTER));
  }
  return withContext(flags, (context) => planAll(context, flags, 'replacing needs --allow-replace'));
}

const REPLACING_IN_CLUSTER = 'replacing is refused until the plan in the status of the Machine is approved';

interface Planning {
  readonly config: Config;
  readonly terminal: Terminal;
  readonly engine: Engine & { readonly store: OverlayBase };
}

async function planAll(context: Planning, flags: PlanFlags, replacing: string): Promise<number> {
  const { config, terminal, engine } = context;
  const manifests = await loadManifests(flags.filename, { namespace: config.namespace });
  const objects = manifests.map(({ object }) => object);
  const overlay = new OverlayStore(engine.store, objects);
  // One for all: it remembers where it put those that are not there yet.
  const resolver = openResolver(config, overlay, engine.libvirt);
  const plans: MachinePlan[] = [];
  for (const object of objects) {
    if (object.kind !== 'Machine') continue;
    plans.push(await planMachine(engine, overlay, resolver, keyOf(object)));
  }
  const changed = plans.some((one) => one.plan.action !== 'none');
  if (flags.output) terminal.out(formatData(plans.map(asData), flags.output));
  else for (const one of plans) terminal.out(planText(one, terminal.style));
  if (changed && !flags.output) terminal.say(`Next: caplv apply with the same -f; ${replacing}`);
  return changed ? EXIT.changes : EXIT.ok;
}

async function planMachine(
  engine: Planning['engine'],
  overlay: OverlayStore,
  resolver: MachineResolver,
  key: ObjectKey,
): Promise<MachinePlan> {
  const machine = await overlay.get(MachineKind, key);
  if (!machine) throw new Error('the overlay has lost a manifest');
  const placed = await resolver.place(machine);
  const { intent, pinned } = await resolver.resolve(placed, await resolver.seed(placed));
  const image = imageOf(pinned);
  // Networks and pools that the Cluster will make are there by the time the machine needs them.
  const shared = hostIntent(intent.uri, [placed.site], image ? [{ ...image, uri: intent.uri }] : []);
  const facts = await classified(() => engine.libvirt(intent.uri).facts({ volumesOf: [] }));
  await refuseSharedMac(overlay, placed, intent);
  preflight(intent, placed.spec, factsWith(facts, shared), placed.path);
  return { machine: key.name, host: placed.site.name, ...(await engine.actuator.plan(intent)) };
}

function asData({ machine, host, plan: { action, drift }, explanations, recovered }: MachinePlan) {
  return {
    machine,
    ...(host === undefined ? {} : { host }),
    action,
    changes: explanations,
    drift: drift.map(({ address, action: what }) => ({ address, action: what })),
    ...(recovered === undefined ? {} : { stateComesBackFrom: recovered }),
  };
}
