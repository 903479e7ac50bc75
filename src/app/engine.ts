/** Puts the parts together: the same controllers for one call over the local store and for a process that stays in a cluster. */

import { Synthesizer } from '../../stacks/synthesizer.ts';
import type { ActuatorOptions } from '../actuator/context/options.ts';
import { SourceRelay } from '../actuator/context/source-relay.ts';
import type { StateBackends } from '../actuator/context/state-home.ts';
import { HostActuator } from '../actuator/host-actuator.ts';
import { Actuator } from '../actuator/machine-actuator.ts';
import { LocalStateBackends } from '../actuator/state/local.ts';
import { ClusterReconciler } from '../controllers/cluster/controller.ts';
import { MachineReconciler } from '../controllers/machine/controller.ts';
import type { MachineDependencies } from '../controllers/machine/dependencies.ts';
import { PeriodicPlans } from '../controllers/machine/periodic-plans.ts';
import { MachineResolver } from '../controllers/machine/resolver.ts';
import { HostResources } from '../controllers/shared/shared-hosts.ts';
import { LibvirtConnections } from '../libvirt/connections.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import { LocalStore } from '../store/local-store.ts';
import type { Store } from '../store/store.ts';
import type { AllowedHost } from '../system/allowed-host.ts';
import { findProvider } from '../terraform/install/provider.ts';
import { findTerraform } from '../terraform/install/terraform.ts';
import { ProviderPool } from '../terraform/provider/pool.ts';
import { Terraform, type TerraformOptions } from '../terraform/terraform.ts';
import type { Config } from './config.ts';

export interface LocalEngine extends Engine {
  readonly store: LocalStore;
}

export interface Engine {
  readonly store: InstalledStore;
  readonly terraform: Terraform;
  readonly providers: ProviderPool;
  readonly workspaces: StateBackends;
  readonly synthesizer: Synthesizer;
  readonly actuator: Actuator;
  readonly hostActuator: HostActuator;
  readonly resolver: MachineResolver;
  readonly hosts: HostResources;
  readonly machines: MachineReconciler;
  readonly clusters: ClusterReconciler;
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  readonly observers: LibvirtConnections;
  /** Waits for running Terraform, then stops the providers and threads that were started. */
  close(): Promise<void>;
}

/** A store that has an identity, see src/store/installation.ts. */
export type InstalledStore = Store & { readonly installation: string };

export interface EngineOptions
  extends Pick<
      MachineDependencies,
      | 'allowReplaceDisks'
      | 'recorder'
      | 'log'
      | 'onProgress'
      | 'lastSeen'
      | 'looking'
      | 'awaitAddress'
      | 'defersImages'
      | 'repair'
      | 'hasIncompleteState'
      | 'beforeRelease'
      | 'departures'
    >,
    Pick<ActuatorOptions, 'secretVersion' | 'whileRunning'>,
    Pick<TerraformOptions, 'onRun'> {
  readonly allowReplace?: boolean;
  /** Let changes of machines run that replace a domain whose disks stay. */
  readonly allowRestart?: boolean;
  readonly plans?: PeriodicPlans;
  /** Power guests off at once instead of asking them. */
  readonly now?: boolean;
  /** Called before anything is begun that changes something; what it throws is thrown instead. */
  readonly mayBegin?: (() => void) | undefined;
  /** Called when a host begins, or ceases, to answer. */
  readonly onAnswer?: (uri: string, answers: boolean) => void;
  /** One observer a URI, for a caller who has asked some of them. */
  readonly libvirt?: (uri: AllowedHost) => Libvirt;
}

/** Attributes in which provider 0.8.3 keeps user data without calling them sensitive. */
export const SECRET_ATTRIBUTES: readonly string[] = [
  'libvirt_cloudinit_disk.user_data',
  'libvirt_cloudinit_disk.meta_data',
  'libvirt_cloudinit_disk.network_config',
  'libvirt_ignition.content',
];

/** Over the local store, and with the states in files. */
export async function openEngine(config: Config, options: EngineOptions): Promise<LocalEngine> {
  const store = await LocalStore.open(config.stateDir);
  const workspaces = new LocalStateBackends(config.stateDir, {
    keptSerials: config.keptSerials,
    spellingsOf: config.policy.hosts.spellingsOf,
  });
  return { ...assembleEngine(config, store, workspaces, options), store };
}

/** Starts nothing: terraform, provider and the synth thread come when they are first needed. */
export function assembleEngine(
  config: Config,
  store: InstalledStore,
  workspaces: StateBackends,
  options: EngineOptions,
): Engine {
  const observers = new LibvirtConnections({
    stay: true,
    onAnswer: options.onAnswer,
    mayChange: options.mayBegin,
  });
  const libvirt = options.libvirt ?? observers.of;
  const synthesizer = new Synthesizer();
  const { terraform, providers } = openTerraform(config, options);
  const { policy } = config;
  const relay = new SourceRelay(policy);
  const trustsStates = policy.terraform;
  const { whileRunning, secretVersion } = options;
  const around = { whileRunning, secretVersion };
  const parts = { terraform, synthesizer, workspaces, libvirt, policy, relay, trustsStates, ...around };
  const actuator = new Actuator(parts);
  const hostActuator = new HostActuator(parts);
  const resolver = openResolver(config, store, libvirt);
  const hosts = new HostResources({ store, actuator: hostActuator, policy });
  const shared = { store, hosts, recorder: options.recorder, allowReplace: options.allowReplace ?? false };
  const machines = new MachineReconciler({
    ...shared,
    actuator,
    resolver,
    libvirt,
    allowRestart: options.allowRestart ?? false,
    powerOff: options.now ?? false,
    ...(options.allowReplaceDisks ? { allowReplaceDisks: options.allowReplaceDisks } : {}),
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
    ...(options.lastSeen ? { lastSeen: options.lastSeen } : {}),
    ...(options.looking ? { looking: options.looking } : {}),
    ...(options.awaitAddress ? { awaitAddress: options.awaitAddress } : {}),
    ...(options.defersImages ? { defersImages: true } : {}),
    ...(options.repair ? { repair: options.repair } : {}),
    ...(options.log ? { log: options.log } : {}),
    departures: options.departures,
    plans: options.plans ?? new PeriodicPlans(),
    beforeRelease: options.beforeRelease,
    ...(options.hasIncompleteState ? { hasIncompleteState: options.hasIncompleteState } : {}),
  });
  const clusters = new ClusterReconciler({ ...shared, policy });
  const close = async () => {
    await terraform.close();
    await synthesizer.close();
    observers.close();
  };
  return {
    store,
    terraform,
    providers,
    workspaces,
    synthesizer,
    actuator,
    hostActuator,
    resolver,
    hosts,
    machines,
    clusters,
    libvirt,
    observers,
    close,
  };
}

/** Intents for Machines of `store`, which may hold manifests that are not applied yet. */
export function openResolver(
  config: Pick<Config, 'policy'>,
  store: InstalledStore,
  libvirt: (uri: AllowedHost) => Libvirt,
): MachineResolver {
  return new MachineResolver({
    store,
    libvirt,
    installation: store.installation,
    policy: config.policy,
  });
}

function openTerraform(
  config: Config,
  { onRun, mayBegin }: Pick<EngineOptions, 'onRun' | 'mayBegin'>,
): { readonly terraform: Terraform; readonly providers: ProviderPool } {
  let binary: ReturnType<typeof findTerraform> | undefined;
  const findOnce = () => {
    binary ??= findTerraform(config.terraform === undefined ? {} : { path: config.terraform });
    return binary;
  };
  const providers = new ProviderPool(async () => findProvider({ terraform: await findOnce() }));
  const terraform = new Terraform({
    binary: findOnce,
    providerMode: config.providerMode,
    providers,
    limits: config.limits,
    secretAttributes: SECRET_ATTRIBUTES,
    ...(onRun && { onRun }),
    mayRun: mayBegin,
  });
  return { terraform, providers };
}
