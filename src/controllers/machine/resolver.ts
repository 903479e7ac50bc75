/**
 * From a Machine in a store to its intent: finds its Cluster, its host and its bootstrap data, then resolves the rest.
 * Reads only, so that plan, apply and the cdktf app all come to the same intent.
 */

import { classified } from '../../actuator/context/classify-error.ts';
import { type Cluster, clusterProviderSpec, storedClusterSpec } from '../../api/kinds/cluster.ts';
import {
  type Machine,
  machineProviderSpec,
  type Pinned,
  storedMachineSpec,
} from '../../api/kinds/machine.ts';
import { type LibvirtMachineProviderSpec, memoryMiB } from '../../api/kinds/machine-provider-spec.ts';
import { SecretKind, secretBytes, secretValue } from '../../api/kinds/secret.ts';
import { findProviderSpec } from '../../api/schema/provider-spec.ts';
import { CaplvError, TerminalError, TransientError } from '../../errors.ts';
import type { SeedIntent } from '../../intent/hosted-intent.ts';
import { instanceIdOf } from '../../intent/instance-id.ts';
import { poolOf } from '../../intent/machine-intent.ts';
import { isInfrastructure, type MachineIdentity, objectName, providerID } from '../../intent/names.ts';
import type { Policy } from '../../intent/policy.ts';
import { requireAllowedHost, requireAllowedMachine } from '../../intent/policy-check.ts';
import { type ResolvedMachine, resolveMachine } from '../../intent/resolve-machine.ts';
import type { SshAccess } from '../../intent/seed/ssh-access.ts';
import { type BootstrapSource, type SeedOptions, seedOf } from '../../intent/seed.ts';
import { candidateSites, type Site, siteAt, sitesOf } from '../../intent/site.ts';
import { hostIdentity } from '../../libvirt/host-uri.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { Store } from '../../store/store.ts';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { clusterOf } from '../shared/cluster-of.ts';
import { requireClaimedAddresses } from './addresses/require-claimed.ts';
import { refuseShrink } from './disks/sizes.ts';
import { Placer } from './placer.ts';
import { withRequestedPower } from './power/requests.ts';
import type { PlacedMachine } from './scope/placed-machine.ts';
import { sshAccess } from './scope/ssh-access.ts';

/** Where the host of a Machine that exists is written down. */
const PINNED = 'status.providerStatus.pinned.uri';

/** What the guest reads at its first boot, and the public keys that it was given with it. */
export interface PreparedSeed {
  readonly intent: SeedIntent;
  readonly sshAccess: SshAccess | undefined;
}

export interface MachineResolverOptions {
  readonly store: Store;
  readonly libvirt: (uri: AllowedHost) => Libvirt;
  /** Identity of the store, see src/store/installation.ts. */
  readonly installation: string;
  readonly policy: Policy;
}

export class MachineResolver {
  readonly #options: MachineResolverOptions;
  readonly #placer: Placer;

  constructor(options: MachineResolverOptions) {
    this.#options = options;
    this.#placer = new Placer(options);
  }

  /** Throws TransientError while the Cluster is missing, TerminalError for a spec that cannot be placed. */
  async place(machine: Machine): Promise<PlacedMachine> {
    const cluster = await clusterOf(this.#options.store, machine);
    requireClaimedAddresses(machine);
    const spec = withRequestedPower(machineProviderSpec(machine), machine);
    const path = pathOf(machine);
    const site = await this.#site(machine, spec, path, cluster);
    return { machine, identity: identityOf(machine), cluster, spec, path, site };
  }

  /** Where a machine is that was made at `uri`, for its end: whatever has become of its Cluster, or of the rules for its spec. */
  async placeMade(machine: Machine, uri: string): Promise<PlacedMachine> {
    const cluster = await clusterOf(this.#options.store, machine).catch((error: unknown) => {
      if (error instanceof CaplvError && error.path === 'spec.clusterName') return undefined;
      throw error;
    });
    const sites = sitesOf(cluster && storedClusterSpec(cluster).spec, this.#options.policy.defaultHost);
    const host = requireAllowedHost(this.#options.policy, uri, PINNED);
    const given = machine.status?.providerStatus?.pinned?.site;
    const [spec, site] = [storedMachineSpec(machine), siteAt(host, sites, given)];
    return { machine, identity: identityOf(machine), cluster, spec, path: pathOf(machine), site };
  }

  /** Finds the host on which a machine was made. Throws TerminalError NotAllowed if it is no longer allowed. */
  hostOf({ uri }: Pick<Pinned, 'uri'>): AllowedHost {
    return requireAllowedHost(this.#options.policy, uri, PINNED);
  }

  /** URIs of the other hosts of its Cluster that may be asked. */
  otherHosts({ cluster, site }: PlacedMachine): AllowedHost[] {
    const { policy } = this.#options;
    const sites = sitesOf(cluster && storedClusterSpec(cluster).spec, policy.defaultHost);
    const hosts = sites.flatMap(({ uri }) => policy.host(uri) ?? []);
    return [...new Set(hosts)].filter((uri) => uri !== site.uri);
  }

  /** The machine could not be made there. True if it may go elsewhere: `place` then prefers that for a while. */
  excludeHost({ machine, spec, cluster, site }: PlacedMachine): boolean {
    const sites = candidateSites(
      spec,
      cluster && clusterProviderSpec(cluster),
      this.#options.policy.defaultHost,
    );
    if (sites.every(({ uri }) => hostIdentity(uri) === hostIdentity(site.uri))) return false;
    this.#placer.excludeHost(machine, site.uri);
    return true;
  }

  /**
   * Throws TerminalError NotAllowed for what the Machine may not name, before anything is read that it names; TransientError while the
   * bootstrap Secret or that of its public keys is missing, TerminalError UserDataNotFound or InvalidConfiguration.
   */
  async seed(placed: PlacedMachine): Promise<PreparedSeed> {
    const { identity, machine, cluster, spec, site, path } = placed;
    const made = machine.status?.providerStatus?.pinned;
    await requireAllowedMachine(this.#options.policy, spec, path, made);
    const network = cluster?.spec.clusterNetwork;
    const { source, ...origin } = await this.#bootstrapSource(placed);
    const given = await sshAccess(this.#options.store, placed);
    const intent = await seedOf(source, {
      ...origin,
      given,
      machine: identity,
      pool: poolOf(spec, site),
      path,
      policy: this.#options.policy,
      variables: {
        CAPLV_MACHINE_NAME: objectName(identity),
        CAPLV_NAMESPACE: identity.namespace,
        CAPLV_CLUSTER_NAME: cluster && objectName(cluster.metadata),
        CAPLV_KUBELET_VERSION: machine.spec.versions?.kubelet,
        CAPLV_POD_CIDR: network?.pods?.cidrBlocks.join(','),
        CAPLV_SERVICE_CIDR: network?.services?.cidrBlocks.join(','),
        CAPLV_SERVICE_DOMAIN: network?.serviceDomain,
        CAPLV_PROVIDER_ID: providerID(identity),
      },
    });
    const { access } = given;
    // cloud-init alone knows the name of its user.
    const sshAccessOf =
      access && (intent.kind === 'ignition' ? access : { authorizedKeys: access.authorizedKeys });
    return { intent, sshAccess: sshAccessOf };
  }

  /** `seed`: of that machine, which was held against the policy for it. Throws what `resolveMachine` throws, and TransientError or TerminalError where libvirt fails. */
  async resolve(placed: PlacedMachine, seed: PreparedSeed): Promise<ResolvedMachine> {
    const { identity, machine, cluster, spec, path, site } = placed;
    this.#refuseMove(placed);
    refuseShrink(spec, machine.status?.providerStatus?.diskSizes, path);
    const request = {
      machine: identity,
      cluster: cluster?.metadata.name,
      spec,
      path,
      site,
      seed: seed.intent,
      sshAccess: seed.sshAccess,
      pinned: machine.status?.providerStatus?.pinned,
      isMade: machine.status?.providerStatus?.appliedHash !== undefined,
      claimed: machine.status?.providerStatus?.claimedAddresses,
      installation: this.#options.installation,
      libvirt: this.#options.libvirt(site.uri),
      policy: this.#options.policy,
    };
    return classified(() => resolveMachine(request));
  }

  /** A machine stays where it was made; only a new one is given a place. */
  async #site(
    machine: Machine,
    spec: LibvirtMachineProviderSpec,
    path: string,
    cluster: Cluster | undefined,
  ): Promise<Site> {
    const clusterSpec = cluster && clusterProviderSpec(cluster);
    const made = machine.status?.providerStatus?.pinned;
    const { policy } = this.#options;
    if (made) return siteAt(this.hostOf(made), sitesOf(clusterSpec, policy.defaultHost), made.site);
    // The hosts of a Cluster are its own fault, and said there.
    const field = spec.uri === undefined ? 'spec.clusterName' : `${path}.uri`;
    const candidates = candidateSites(spec, clusterSpec, policy.defaultHost, path).map((site) => ({
      ...site,
      uri: requireAllowedHost(policy, site.uri, field),
    }));
    return this.#placer.place(machine, candidates, {
      memoryMiB: memoryMiB(spec),
      vcpu: spec.vcpu,
      allowOvercommit: clusterSpec?.allowOvercommit ?? false,
      path: `${path}.${spec.memoryMiB === undefined ? 'memoryInGB' : 'memoryMiB'}`,
    });
  }

  /** A host that the manifest names now and the machine is not on would be passed over without a word. */
  #refuseMove({ machine, spec, cluster, site, path }: PlacedMachine): void {
    const field = spec.uri === undefined ? 'host' : 'uri';
    if (spec[field] === undefined || machine.status?.providerStatus?.pinned === undefined) return;
    const wanted = candidateSites(
      spec,
      cluster && clusterProviderSpec(cluster),
      this.#options.policy.defaultHost,
    );
    if (wanted.some(({ uri }) => hostIdentity(uri) === hostIdentity(site.uri))) return;
    throw new TerminalError({
      code: 'InvalidConfiguration',
      path: `${path}.${field}`,
      message: `the machine was made on ${site.uri}, and a machine does not move`,
      fix: 'delete it and apply it again to have it made there, or take the change back',
    });
  }

  async #bootstrapSource({
    machine,
    identity,
    spec,
  }: PlacedMachine): Promise<
    { source: BootstrapSource } & Pick<SeedOptions, 'dataPath' | 'isForeign' | 'isVerbatim'>
  > {
    const name = machine.spec.bootstrap?.dataSecretName;
    if (name === undefined) return { source: spec };
    const dataPath = 'spec.bootstrap.dataSecretName';
    const secret = await this.#options.store.get(SecretKind, { namespace: identity.namespace, name });
    const data = secret && secretBytes(secret, 'value');
    if (data === undefined) {
      throw new TransientError({
        code: 'UserDataNotFound',
        path: dataPath,
        missing: { kind: 'watched' },
        message: secret
          ? `Secret "${name}" has no key "value"`
          : `there is no Secret "${name}" in namespace "${identity.namespace}"`,
        fix: 'the bootstrap provider creates it; the Machine continues when it exists',
        retryAfterMs: 30_000,
      });
    }
    const format = (secret && secretValue(secret, 'format')) ?? 'cloud-config';
    // What a bootstrap provider of the current Cluster API makes has nothing of ours in it.
    const isVerbatim = isInfrastructure(identity);
    if (format === 'ignition') return { source: { ignition: data }, dataPath, isVerbatim };
    const isForeign = format !== 'cloud-config';
    return { source: { userData: data, networkConfig: spec.networkConfig }, dataPath, isForeign, isVerbatim };
  }
}

function identityOf(machine: Machine): MachineIdentity {
  const { namespace = 'default', name } = machine.metadata;
  return { namespace, name, uid: instanceIdOf(machine) };
}

/** Of its provider spec, as its author wrote it. */
function pathOf({ metadata, spec }: Machine): string {
  if (isInfrastructure(metadata)) return 'spec';
  return ['spec.providerSpec', ...findProviderSpec(spec.providerSpec).path].join('.');
}
