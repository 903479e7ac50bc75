/** `caplv plan`: what `apply` would do to machines, networks and pools. Changes nothing, in the store or on a host. */

import { type Cluster, ClusterKind, storedClusterSpec } from '../../api/kinds/cluster.ts';
import type { ApiKind } from '../../api/kinds/kind.ts';
import { MachineKind } from '../../api/kinds/machine.ts';
import { loadManifests } from '../../api/manifest/load.ts';
import type { KubeObject } from '../../apimachinery/object.ts';
import { ManifestPlanner } from '../../app/manifest-plan.ts';
import { hasReplicas, planReplicas, type ReplicaPlan } from '../../app/replica-plan.ts';
import { CaplvError, TerminalError } from '../../errors.ts';
import { managedNetwork, managedPool } from '../../intent/host-intent.ts';
import { isInfrastructure, objectName } from '../../intent/names.ts';
import { type NamedSite, sitesOf } from '../../intent/site.ts';
import { hasReason } from '../../kube/client/api-error.ts';
import { redactUri } from '../../libvirt/host-uri.ts';
import type { OverlayBase } from '../../store/overlay-store.ts';
import { parseObjectArguments } from '../names/object-arguments.ts';
import { EXIT } from '../output/exit-code.ts';
import { planText, type ResourcePlan } from '../output/plan.ts';
import { replicaPlanText } from '../output/replica-plan.ts';
import { formatData } from '../output/serialize.ts';
import type { Streams } from '../output/streams.ts';
import type { ClusterFlags } from '../session/cluster-session.ts';
import { type EngineSession, withEngine } from '../session/engine-session.ts';
import { notFound } from '../session/errors.ts';
import { machineSubject } from '../session/machine-name.ts';
import { FIELD_MANAGER, keyOf, kindOf, sortByKind } from '../session/manifests.ts';
import { type PlanSubject, planSubject } from './plan-subject.ts';

export interface PlanFlags extends ClusterFlags {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly output?: 'json' | 'yaml';
}

/** Of manifests, or of objects that are there: `words` name them. */
export async function plan(words: readonly string[], flags: PlanFlags): Promise<number> {
  const { filename } = flags;
  if (filename !== undefined && words.length === 0)
    return withEngine(flags, (session) => planAll(session, { ...flags, filename }));
  const requests = words.length > 0 ? parseObjectArguments(words) : [];
  const named = requests.flatMap(({ kindName, names }) => names.map((name) => ({ kindName, name })));
  if (filename === undefined && named.length > 0) {
    const subjects = await Promise.all(named.map(({ kindName, name }) => planSubject(kindName, name, flags)));
    return withEngine(flags, (session) => planStored(session, subjects, flags));
  }
  throw new TerminalError({
    code: 'InvalidConfiguration',
    message: 'plan takes either -f FILE or a kind and a name',
    fix: 'for example: caplv plan -f deploy/examples/kube-cp.yaml, or caplv plan machine/kube-cp',
  });
}

/** One thing that is planned: as text, as data, and whether it changes anything. */
interface Planned {
  readonly text: string;
  readonly data: object;
  readonly isChange: boolean;
}

async function planAll(
  context: EngineSession,
  flags: PlanFlags & { readonly filename: readonly string[] },
): Promise<number> {
  const { config, terminal, engine, replacing } = context;
  const { filename, recursive: isRecursive = false } = flags;
  const { namespace } = config;
  const manifests = sortByKind(await loadManifests(filename, { namespace, isRecursive }));
  const objects = await Promise.all(manifests.map(({ object }) => applied(engine.store, object)));
  const planner = new ManifestPlanner(config, engine, objects);
  const planned: Planned[] = [...(await planHosts(context, planner, objects))];
  for (const object of objects) {
    if (object.kind === MachineKind.kind) planned.push(await planMachine(terminal, planner, object));
    if (hasReplicas(object)) planned.push(...(await planSet(context, planner, object)));
  }
  return show(planned, terminal, flags, `Next: caplv apply with the same -f; ${replacing}`);
}

/** The plan of objects as they are stored: what their next reconcile does. */
async function planStored(
  context: EngineSession,
  subjects: readonly PlanSubject[],
  flags: PlanFlags,
): Promise<number> {
  const { config, terminal, engine, replacing } = context;
  const planner = new ManifestPlanner(config, engine, []);
  const planned: Planned[] = [];
  for (const { view, kind, keyIn } of subjects) {
    const key = keyIn(config.namespace);
    const object = await engine.store.get(view as ApiKind, key);
    if (!object) throw notFound(kind, objectName(key), key.namespace);
    if (view === ClusterKind) planned.push(...(await planHosts(context, planner, [object])));
    else planned.push(await planMachine(terminal, planner, object));
  }
  const next = flags.kubeconfig === undefined ? 'caplv apply with its manifest' : 'the controller does this';
  return show(planned, terminal, flags, `Next: ${next}; ${replacing}`);
}

function show(planned: readonly Planned[], terminal: Streams, { output }: PlanFlags, next: string): number {
  const changed = planned.some(({ isChange }) => isChange);
  const data = planned.map((one) => one.data);
  if (output) terminal.out(formatData(data, output));
  else for (const { text } of planned) terminal.out(text);
  if (changed && !output) terminal.say(next);
  return changed ? EXIT.changes : EXIT.ok;
}

/** The object as `apply` would leave it. Who may read and not apply sees it as its manifest alone says. */
async function applied(store: OverlayBase, object: KubeObject): Promise<KubeObject> {
  try {
    const preview = await store.preview(kindOf(object), object, { fieldManager: FIELD_MANAGER });
    // Another object of that name will have others; see `OverlayStore`.
    const { uid: _, resourceVersion: __, ...metadata } = preview.metadata;
    return { ...preview, metadata };
  } catch (error) {
    if (error instanceof CaplvError && error.code === 'InvalidConfiguration') throw error;
    return object;
  }
}

/** What the Clusters make on each host; a host of several is shown once. */
async function planHosts(
  { config, engine, locateHost, terminal }: EngineSession,
  planner: ManifestPlanner,
  objects: readonly KubeObject[],
): Promise<Planned[]> {
  const planned: Planned[] = [];
  const shown = new Set<string>();
  for (const object of objects.filter(({ kind }) => kind === ClusterKind.kind)) {
    const sites = sitesOf(storedClusterSpec(object as Cluster).spec, config.libvirtUri);
    try {
      const hosts = sites.map(({ uri }) => config.policy.host(uri));
      // What is not allowed is refused below, with its path.
      for (const host of hosts) if (host !== undefined) await locateHost(host);
    } catch (error) {
      // Who may not read states plans machines all the same, and Clusters that make nothing.
      if (!hasReason(error, 'Forbidden') || sites.some(isManaged)) throw error;
      planned.push(noChange(object));
      continue;
    }
    const changed = [...(await planner.cluster(object))].filter(([, { plan }]) => plan.action !== 'none');
    if (changed.length === 0) planned.push(noChange(object));
    for (const [uri, preview] of changed.filter(([uri]) => !shown.has(uri))) {
      shown.add(uri);
      const host = redactUri(engine.libvirt(uri).uri);
      planned.push(resources({ subject: `host ${host}`, ...preview }, { host }, terminal));
    }
  }
  return planned;
}

/** True for a host on which the Cluster makes a network or pool. */
function isManaged({ network, pool }: NamedSite): boolean {
  return managedNetwork(network) !== undefined || managedPool(pool) !== undefined;
}

function noChange({ metadata }: KubeObject): Planned {
  const name = objectName(metadata);
  const noun = isInfrastructure(metadata) ? 'libvirtCluster' : 'cluster';
  const data = { [noun]: name, action: 'none' };
  return { text: `${noun.toLowerCase()}/${name}: no changes\n`, data, isChange: false };
}

async function planMachine(
  terminal: Streams,
  planner: ManifestPlanner,
  object: KubeObject,
): Promise<Planned> {
  const { metadata } = object;
  const { host, ...preview } = await planner.machine(object);
  const noun = isInfrastructure(metadata) ? 'libvirtMachine' : 'machine';
  const data = { [noun]: objectName(metadata), ...(host === undefined ? {} : { host }) };
  return resources({ subject: machineSubject(metadata), host, ...preview }, data, terminal);
}

/** The machines that come and go, and the resources of the first new one of each template: the others are like it. */
async function planSet(
  { engine, terminal }: EngineSession,
  planner: ManifestPlanner,
  object: KubeObject,
): Promise<Planned[]> {
  const stored = await engine.store.get(kindOf(object), keyOf(object));
  const { samples, ...replicas } = await planReplicas(planner.store, stored, object);
  const isChange = replicas.action !== 'none' || replicas.machines.length > 0;
  const own = { text: replicaPlanText(replicas, terminal.style), data: asData(replicas), isChange };
  const made: Planned[] = [];
  for (const machine of samples) made.push(await planMachine(terminal, planner, machine));
  return [own, ...made];
}

function asData({ kind, name, ...rest }: Omit<ReplicaPlan, 'samples'>): object {
  return { [kind === 'MachineSet' ? 'machineSet' : 'machineDeployment']: name, ...rest };
}

function resources(one: ResourcePlan, subject: object, terminal: Streams): Planned {
  const {
    plan: { action, drift },
    explanations,
    effect,
    recovered,
  } = one;
  const data = {
    ...subject,
    action,
    changes: explanations,
    ...((effect?.restarts || effect?.disks.length) && {
      restarts: effect.restarts,
      deletesDisks: effect.disks.map((disk) => disk.name),
    }),
    drift: drift.map(({ address, action: what }) => ({ address, action: what })),
    ...(recovered === undefined ? {} : { stateComesBackFrom: recovered }),
  };
  return { text: planText(one, terminal.style), data, isChange: action !== 'none' };
}
