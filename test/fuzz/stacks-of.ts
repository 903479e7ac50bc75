/** Builds Terraform JSON from a manifest as `caplv apply` does, on hosts that have everything that it asks for. */

import { writeSeed } from '../../src/actuator/machine/seed-file.ts';
import { admit } from '../../src/api/kinds/admission.ts';
import { type Cluster, clusterProviderSpec } from '../../src/api/kinds/cluster.ts';
import { type Machine, machineProviderSpec } from '../../src/api/kinds/machine.ts';
import type { MachineSet } from '../../src/api/kinds/machine-set.ts';
import type { KubeObject } from '../../src/apimachinery/object.ts';
import { hostIntent } from '../../src/intent/host-intent.ts';
import { parseImageURI } from '../../src/intent/image.ts';
import { poolOf } from '../../src/intent/machine-intent.ts';
import { imageVolumeName } from '../../src/intent/names.ts';
import { EVERYTHING, Policy } from '../../src/intent/policy.ts';
import { requireAllowedSite } from '../../src/intent/policy-check.ts';
import { resolveMachine } from '../../src/intent/resolve-machine.ts';
import { seedOf } from '../../src/intent/seed.ts';
import { candidateSites, sitesOf } from '../../src/intent/site.ts';
import type { Libvirt } from '../../src/libvirt/libvirt.ts';
import type { JsonObject } from '../../stacks/json.ts';
import type { Synthesizer } from '../../stacks/synthesizer.ts';

const URI = 'qemu:///system';
const UID = '5e6a1f2c-0000-4000-8000-000000000001';
const INSTALLATION = '0b7c2a3e-0000-4000-8000-000000000002';

/** Allows everything: readers-of-policy.ts covers what a manifest may name. */
const POLICY = new Policy({ allow: EVERYTHING });

/** A host that has every volume and all firmware. */
const HOST = {
  volume: async (pool: string, volume: string) => ({ path: `/pools/${pool}/${volume}`, capacityBytes: 1 }),
  domainTypes: async () => ({
    kvm: true,
    uefi: [{ loader: '/usr/share/OVMF/OVMF_CODE.fd', nvramTemplate: '/usr/share/OVMF/OVMF_VARS.fd' }],
  }),
} as unknown as Libvirt;

/** Throws CaplvError for what is refused only now. `scratch`: a directory for seeds. */
export async function stacksOf(
  written: KubeObject,
  synthesizer: Synthesizer,
  scratch: string,
): Promise<JsonObject[]> {
  const object = admit(written);
  switch (object.kind) {
    case 'Cluster':
      return hostsOf(object as Cluster, synthesizer);
    case 'Machine':
      return [await machineOf(object as Machine, synthesizer, scratch)];
    case 'MachineSet':
    case 'MachineDeployment': {
      const { metadata, spec } = object as MachineSet;
      const machine = { ...spec.template, apiVersion: object.apiVersion, kind: 'Machine', metadata };
      return [await machineOf(machine as Machine, synthesizer, scratch)];
    }
    default:
      return [];
  }
}

async function machineOf(machine: Machine, synthesizer: Synthesizer, scratch: string): Promise<JsonObject> {
  const spec = machineProviderSpec(machine);
  const [named] = candidateSites(spec, undefined, URI);
  if (!named) throw new Error('there is no host');
  const site = requireAllowedSite(POLICY, named, 'spec.providerSpec');
  const { namespace = 'default', name } = machine.metadata;
  const identity = { namespace, name, uid: UID };
  const path = 'spec.providerSpec';
  const seed = await seedOf(offline(spec), {
    machine: identity,
    pool: poolOf(spec, site),
    path,
    policy: POLICY,
    variables: {
      CAPLV_MACHINE_NAME: name,
      CAPLV_NAMESPACE: namespace,
      CAPLV_CLUSTER_NAME: machine.spec.clusterName,
      CAPLV_KUBELET_VERSION: machine.spec.versions?.kubelet,
      CAPLV_POD_CIDR: undefined,
      CAPLV_SERVICE_CIDR: undefined,
      CAPLV_SERVICE_DOMAIN: undefined,
      CAPLV_PROVIDER_ID: `libvirt:///${UID}`,
    },
  });
  const image = parseImageURI(spec.imageURI);
  const base =
    image.kind === 'volume'
      ? { pool: image.pool, volume: image.volume }
      : { pool: poolOf(spec, site), volume: imageVolumeName(INSTALLATION, 'key', image.source) };
  const { intent } = await resolveMachine({
    machine: identity,
    cluster: machine.spec.clusterName,
    spec,
    path,
    site,
    seed,
    // So that the image is not read.
    pinned: {
      uri: site.uri,
      domainType: 'qemu',
      imageURI: spec.imageURI,
      base,
      ...(spec.imageChecksum !== undefined && { imageChecksum: spec.imageChecksum }),
    },
    installation: INSTALLATION,
    policy: POLICY,
    libvirt: HOST,
  });
  return synthesizer.machine(await writeSeed(intent, scratch), { kind: 'implicit' });
}

/** Nothing is fetched from anywhere. */
function offline<T extends { userDataURI?: string | undefined; ignitionURI?: string | undefined }>(
  spec: T,
): T {
  const isRemote = (uri: string | undefined) => uri !== undefined && /^https?:/.test(uri);
  const { userDataURI, ignitionURI, ...rest } = spec;
  if (isRemote(userDataURI)) return { ...rest, userData: '#cloud-config\n' } as unknown as T;
  if (isRemote(ignitionURI)) return { ...rest, ignition: '{}' } as unknown as T;
  return spec;
}

async function hostsOf(cluster: Cluster, synthesizer: Synthesizer): Promise<JsonObject[]> {
  const sites = sitesOf(clusterProviderSpec(cluster), URI).map((site) =>
    requireAllowedSite(POLICY, site, 'spec.providerSpec'),
  );
  const uris = [...new Set(sites.map(({ uri }) => uri))];
  return Promise.all(uris.map((uri) => synthesizer.host(hostIntent(uri, sites, []), { kind: 'implicit' })));
}
