/** Defines the machine that all benchmarks create, and the alternatives that CAPLV is compared with. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { writeSeed } from '../../src/actuator/machine/seed-file.ts';
import { MachineKind } from '../../src/api/kinds/machine.ts';
import { configOf } from '../../src/app/config.ts';
import { type LocalEngine, openEngine } from '../../src/app/engine.ts';
import type { BackendIntent } from '../../stacks/intent.ts';
import { hostAt } from '../lab/host-uri.ts';

/** A libvirt host with the image on it, and a place for files. */
export interface Bed {
  readonly uri: string;
  readonly image: string;
  /** Scratch directory of the benchmark. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface MachineOptions {
  /** False: defined, not started. */
  readonly running: boolean;
}

const USER_DATA = '#cloud-config\nhostname: bench\n';

export function providerSpec({ image }: Pick<Bed, 'image'>, { running }: MachineOptions): object {
  return {
    vcpu: 1,
    memoryMiB: 128,
    imageURI: image,
    userData: USER_DATA,
    domainType: 'qemu',
    running,
    shutdownTimeoutSeconds: 0,
  };
}

export function manifest(bed: Pick<Bed, 'image'>, name: string, options: MachineOptions) {
  return {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Machine',
    metadata: { name, namespace: 'default' },
    spec: { providerSpec: providerSpec(bed, options) },
  };
}

/** An engine that would serve one host for weeks: the provider is warm, cdktf loaded. */
export async function openBenchEngine(bed: Bed): Promise<LocalEngine> {
  Object.assign(process.env, bed.env);
  const config = configOf({ libvirtUri: bed.uri, stateDir: join(bed.directory, 'state') });
  return openEngine(config, { recorder: { event: () => {} }, now: true });
}

/** A machine that is defined and not started keeps the image on the host, so that no time has its import in it. */
export async function importImage(bed: Bed, engine: LocalEngine): Promise<string> {
  const key = { namespace: 'default', name: 'keeper' };
  await engine.store.apply(MachineKind, manifest(bed, key.name, { running: false }) as never, {
    fieldManager: 'bench',
  });
  await engine.machines.reconcile(key);
  const base = (await engine.store.get(MachineKind, key))?.status?.providerStatus?.pinned?.base;
  if (!base) throw new Error('the image was not imported');
  return base.volume;
}

export function virsh({ uri, env }: Pick<Bed, 'uri' | 'env'>, ...args: readonly string[]): Promise<string> {
  return execa('virsh', ['-q', '-c', uri, ...args], { env }).then(({ stdout }) => stdout);
}

/** Does what a person does with virsh: overlay volume, seed ISO, define, start. The base image exists already. */
export class VirshByHand {
  readonly #bed: Bed;
  readonly #baseVolume: string;
  /** All commands of a machine in one virsh, as a script would; else each by itself. */
  readonly #batched: boolean;

  constructor(bed: Bed, baseVolume: string, { batched }: { readonly batched: boolean }) {
    this.#bed = bed;
    this.#baseVolume = baseVolume;
    this.#batched = batched;
  }

  async create(name: string, { running }: MachineOptions, mac?: string): Promise<void> {
    const seed = join(this.#bed.directory, name);
    const files = [join(seed, 'user-data'), join(seed, 'meta-data')];
    await mkdir(seed, { recursive: true });
    await writeFile(join(seed, 'user-data'), USER_DATA);
    await writeFile(join(seed, 'meta-data'), `instance-id: ${name}\nlocal-hostname: ${name}\n`);
    const iso = ['-quiet', '-output', `${seed}.iso`, '-volid', 'cidata', '-joliet', '-rock'];
    await execa('genisoimage', [...iso, ...files]);
    await writeFile(`${seed}.xml`, domainXml(name, mac));
    const overlay = `--format qcow2 --backing-vol ${this.#baseVolume} --backing-vol-format qcow2`;
    await this.#run([
      `vol-create-as default ${name}.qcow2 28M ${overlay}`,
      `vol-create-as default ${name}.iso 400K --format raw`,
      `vol-upload --pool default ${name}.iso ${seed}.iso`,
      `define ${seed}.xml`,
      ...(running ? [`start ${name}`] : []),
    ]);
  }

  /** One that is off. */
  async remove(name: string): Promise<void> {
    await this.#run([
      `undefine ${name}`,
      `vol-delete --pool default ${name}.qcow2`,
      `vol-delete --pool default ${name}.iso`,
    ]);
  }

  async #run(commands: readonly string[]): Promise<void> {
    if (this.#batched) await virsh(this.#bed, commands.join(';'));
    else for (const command of commands) await virsh(this.#bed, ...command.split(' '));
  }
}

/**
 * The same stack in a directory of its own, made for it: init and apply, with a provider that Terraform starts itself. What a
 * controller that runs a pod for each object does inside of the pod.
 */
export class PlainTerraform {
  readonly #bed: Bed;
  readonly #engine: LocalEngine;
  /** With this kubeconfig: the state is a Secret, as CAPLV's in a cluster. */
  readonly #kubeconfig: string | undefined;
  /** One run each, with the provider that the engine keeps: as little as Terraform can do. */
  readonly #isWarm: boolean;

  constructor(
    bed: Bed,
    engine: LocalEngine,
    { kubeconfig, isWarm = false }: { readonly kubeconfig?: string; readonly isWarm?: boolean } = {},
  ) {
    this.#bed = bed;
    this.#engine = engine;
    this.#kubeconfig = kubeconfig;
    this.#isWarm = isWarm;
  }

  /** The configuration; not part of what is timed, as others have it lying there too. */
  async prepare(name: string, options: MachineOptions): Promise<void> {
    const directory = this.#directory(name);
    await mkdir(directory, { recursive: true });
    const object = { ...manifest(this.#bed, name, options) };
    const metadata = { ...object.metadata, uid: `00000000-${name}` };
    const { resolver, synthesizer } = this.#engine;
    const placed = await resolver.place({ ...object, metadata } as never);
    const { intent } = await resolver.resolve(placed, await resolver.seed(placed));
    const stack = await synthesizer.machine(await writeSeed(intent, directory), this.#backend(name));
    await writeFile(join(directory, 'main.tf.json'), JSON.stringify(stack));
    // Only a backend needs it then.
    if (this.#isWarm && this.#kubeconfig !== undefined) await this.#terraform(name, 'init');
  }

  async create(name: string): Promise<void> {
    if (!this.#isWarm) await this.#terraform(name, 'init');
    await this.#terraform(name, 'apply', '-auto-approve');
  }

  plan(name: string): Promise<unknown> {
    return this.#terraform(name, 'plan');
  }

  async remove(name: string): Promise<void> {
    const args = this.#isWarm ? ['-refresh=false'] : [];
    await this.#terraform(name, 'apply', '-destroy', '-auto-approve', ...args);
    await rm(this.#directory(name), { recursive: true, force: true });
  }

  #backend(name: string): BackendIntent {
    if (this.#kubeconfig === undefined) return { kind: 'implicit' };
    // A suffix must not end in a hyphen and digits.
    return {
      kind: 'kubernetes',
      secretSuffix: `${name}-${this.#isWarm ? 'warm' : 'plain'}`,
      namespace: 'default',
      labels: {},
    };
  }

  #directory(name: string): string {
    return join(this.#bed.directory, 'plain', name);
  }

  async #terraform(name: string, ...args: readonly string[]): Promise<unknown> {
    const warm = this.#isWarm ? await this.#engine.providers.get(hostAt(this.#bed.uri)) : undefined;
    return execa('terraform', [...args, '-input=false', '-no-color'], {
      cwd: this.#directory(name),
      env: {
        ...this.#bed.env,
        CHECKPOINT_DISABLE: '1',
        ...(this.#kubeconfig === undefined ? {} : { KUBE_CONFIG_PATH: this.#kubeconfig }),
        ...(warm && { TF_REATTACH_PROVIDERS: warm.reattach }),
      },
    });
  }
}

/** Like the domain that the provider defines: i440FX, virtio disk and network, seed on IDE. */
function domainXml(name: string, mac: string | undefined): string {
  return `<domain type="qemu"><name>${name}</name><memory unit="MiB">128</memory><vcpu>1</vcpu>
    <os><type arch="x86_64" machine="pc">hvm</type></os><features><acpi/><apic/></features>
    <devices>
      <disk type="volume" device="disk"><driver name="qemu" type="qcow2"/><source pool="default" volume="${name}.qcow2"/><target dev="vda" bus="virtio"/></disk>
      <disk type="volume" device="cdrom"><driver name="qemu" type="raw"/><source pool="default" volume="${name}.iso"/><target dev="hda" bus="ide"/><readonly/></disk>
      <interface type="network">${mac === undefined ? '' : `<mac address="${mac}"/>`}<source network="default"/><model type="virtio"/></interface>
      <serial type="pty"><target port="0"/></serial><console type="pty"><target type="serial" port="0"/></console>
      <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
    </devices></domain>`;
}
