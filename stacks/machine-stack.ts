/** Renders the volumes, the seed and the domain of one machine. */

import { Domain } from '@cdktf/provider-libvirt/lib/domain';
import { Ignition } from '@cdktf/provider-libvirt/lib/ignition';
import { Volume } from '@cdktf/provider-libvirt/lib/volume';
import { DataResource, TerraformOutput, type TerraformResource } from 'cdktf';
import type { Construct } from 'constructs';
import {
  graphics,
  ignoredChanges,
  networkInterface,
  replaceTriggers,
  serialConsole,
} from './domain-devices.ts';
import { domainStylesheet } from './domain-stylesheet.ts';
import type { BackendIntent, MachineIntent, RootDiskIntent } from './intent.ts';
import type { JsonObject } from './json.ts';
import { LibvirtStack } from './libvirt-stack.ts';
import { literal } from './literal.ts';
import { PRIVATE_VOLUME } from './private-volume.ts';
import { addresses } from './resource-address.ts';
import { resourceId } from './resource-id.ts';
import { volumeSource } from './volume-source.ts';

export interface MachineStackOptions {
  /**
   * A command that Terraform runs before it makes the root disk, to import the shared base image (`npx cdktf deploy` has no
   * actuator that does). Provisioners are not part of the state, so it does not change the plan.
   */
  readonly ensureBase?: { readonly command: string; readonly environment: Readonly<Record<string, string>> };
}

/** Holds the resource of the seed, and the argument of the domain that attaches it. */
interface Seed {
  readonly resource: TerraformResource;
  readonly domain: { readonly cloudinit: string } | { readonly coreosIgnition: string };
}

/**
 * Declares one machine. Resources: `libvirt_volume.root`, `libvirt_volume.disk_<name>`, the seed, `libvirt_domain.machine`.
 * Outputs: `domain_id` (libvirt's UUID), `provider_id`, `macs` (upper case, in the order of the interfaces).
 *
 * Provider 0.8.3 really changes in place: `autostart`, `qemu_agent`, and `running` from false to true. It never stops a
 * domain (`running = false` counts at creation only), and any change in place starts one that is stopped. Of other
 * arguments it either plans a replacement by itself, or claims to change them and does nothing: those are in
 * `replaceTriggers`.
 */
export class MachineStack extends LibvirtStack {
  constructor(
    scope: Construct,
    id: string,
    intent: MachineIntent,
    backend: BackendIntent,
    options: MachineStackOptions = {},
  ) {
    super(scope, id, intent.uri, backend, intent.terraform as JsonObject);
    const machine = literal(intent);
    const seed = this.seed(intent);
    const root = this.rootDisk(machine.rootDisk, seed, options.ensureBase);
    const disks = this.dataDisks(machine);
    const domain = this.domain(machine, seed, [root, ...disks]);
    new TerraformOutput(this, 'domain_id', { value: domain.id });
    new TerraformOutput(this, 'provider_id', { value: `libvirt:///${machine.uid}` });
    new TerraformOutput(this, 'macs', { value: `\${${domain.fqn}.network_interface[*].mac}` });
  }

  /** Replaces the root disk with a changed seed, which guests read at their first boot only. */
  private rootDisk(
    disk: RootDiskIntent,
    seed: Seed | undefined,
    ensureBase: MachineStackOptions['ensureBase'],
  ): Volume {
    const base = new DataResource(this, 'base_image', {
      triggersReplace: { pool: disk.base.pool, volume: disk.base.volume },
      ...(ensureBase && { provisioners: [{ type: 'local-exec' as const, ...literal(ensureBase) }] }),
    });
    return new Volume(this, 'root', {
      name: disk.volume,
      pool: disk.pool,
      size: disk.sizeBytes,
      format: 'qcow2',
      baseVolumeName: disk.base.volume,
      baseVolumePool: disk.base.pool,
      xml: { xslt: PRIVATE_VOLUME },
      dependsOn: [base],
      ...(seed && { lifecycle: { replaceTriggeredBy: addresses([seed.resource]) } }),
    });
  }

  /** Returns new volumes, and the keys of existing ones. */
  private dataDisks(machine: MachineIntent): (Volume | string)[] {
    return machine.disks.map((disk) => {
      if (disk.kind === 'existing') return disk.volumeKey;
      return new Volume(this, resourceId('disk', disk.name), {
        name: disk.volume,
        pool: disk.pool,
        size: disk.sizeBytes,
        format: disk.format,
        xml: { xslt: PRIVATE_VOLUME },
        lifecycle: { ignoreChanges: IGNORE_FORMAT },
      });
    });
  }

  private seed({ seed }: MachineIntent): Seed | undefined {
    if (!seed) return undefined;
    const place = { name: literal(seed.volume), pool: literal(seed.pool) };
    if (seed.kind === 'ignition') {
      const resource = new Ignition(this, 'seed', {
        ...place,
        content: this.secret('ignition', composed(seed.content)),
      });
      return { resource, domain: { coreosIgnition: resource.id } };
    }
    // Not libvirt_cloudinit_disk: it downloads its ISO at each refresh, and go-libvirt deadlocks at the end of a download
    // (`callback` sends to a channel that nobody reads any more, under the lock that `deregister` waits for). Measured:
    // 1 of 60 plans hangs for ever, with 12 such disks 1 of 2, and with it every run that shares the provider.
    const resource = new Volume(this, 'seed', {
      ...place,
      source: literal(volumeSource(seed.source)),
      xml: { xslt: PRIVATE_VOLUME },
      format: 'raw',
      // The volume's name identifies the content, not the path of the file.
      lifecycle: { ignoreChanges: ['source', ...IGNORE_FORMAT] },
    });
    // The provider wants the id of a libvirt_cloudinit_disk: the key of a volume, `;`, and something that it ignores.
    return { resource, domain: { cloudinit: `${resource.id};seed` } };
  }

  private domain(
    machine: MachineIntent,
    seed: Seed | undefined,
    disks: readonly (Volume | string)[],
  ): Domain {
    const { domain, interfaces } = machine;
    const triggers = new DataResource(this, 'shape', { triggersReplace: replaceTriggers(machine) });
    const volumes = disks.filter((disk) => typeof disk !== 'string');
    const stylesheet = domainStylesheet(machine);
    return new Domain(this, 'machine', {
      name: domain.name,
      description: domain.description,
      type: domain.type,
      vcpu: domain.vcpu,
      memory: domain.memoryMiB,
      cpu: domain.cpuMode === undefined ? undefined : { mode: domain.cpuMode },
      machine: domain.machine,
      firmware: domain.firmware,
      nvram: domain.nvramTemplate === undefined ? undefined : { template: domain.nvramTemplate },
      autostart: domain.autostart,
      running: domain.running,
      qemuAgent: domain.guestAgent,
      console: domain.console ? [serialConsole] : undefined,
      graphics: graphics(domain.graphics),
      disk: disks.map((disk) => ({ volumeId: typeof disk === 'string' ? disk : disk.id })),
      networkInterface: interfaces.map(networkInterface),
      xml: stylesheet === undefined ? undefined : { xslt: stylesheet },
      ...seed?.domain,
      lifecycle: {
        replaceTriggeredBy: addresses([triggers, ...volumes, ...(seed ? [seed.resource] : [])]),
        ignoreChanges: ignoredChanges(machine),
      },
    });
  }
}

/**
 * Ignores the format, which libvirt detects from the content: an ISO in a raw volume is read back as `iso`, and a guest may write
 * anything.
 */
const IGNORE_FORMAT = ['format'];

/**
 * Escapes letters with combining accents as ASCII, since Terraform writes them as one character (NFC), in a file name or a password
 * too. Only where needed: another text would replace the volume of an existing machine.
 */
function composed(json: string): string {
  if (json === json.normalize('NFC')) return json;
  return json.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
