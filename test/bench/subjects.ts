/** The ways of making and removing one machine that the benchmark compares. Each makes the same domain, running. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { MachineKind } from '../../src/api/machine.ts';
import { configOf } from '../../src/config.ts';
import { type Engine, openEngine } from '../../src/engine.ts';
import type { ObjectKey } from '../../src/store/store.ts';
import { writeSeed } from '../../stacks/seed-file.ts';

export interface Subject {
  readonly name: string;
  create(round: number): Promise<void>;
  remove(round: number): Promise<void>;
  close(): Promise<void>;
}

export interface Bed {
  readonly uri: string;
  readonly image: string;
  /** Scratch directory of the benchmark. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
}

const USER_DATA = '#cloud-config\nhostname: bench\n';

export function manifest(bed: Bed, name: string) {
  return {
    apiVersion: 'cluster-api.k8s.io/v1alpha1',
    kind: 'Machine',
    metadata: { name, namespace: 'default' },
    spec: {
      providerSpec: { vcpu: 1, memoryMiB: 128, imageURI: bed.image, userData: USER_DATA, domainType: 'qemu' },
    },
  };
}

/** What a person does with virsh: overlay volume, seed ISO, define, start. The base image is there already. */
export async function virshByHand(bed: Bed, baseVolume: string): Promise<Subject> {
  const virsh = (...args: string[]) => execa('virsh', ['-q', '-c', bed.uri, ...args], { env: bed.env });
  return {
    name: 'virsh by hand',
    async create(round) {
      const name = `hand-${round}`;
      const seed = join(bed.directory, name);
      await mkdir(seed, { recursive: true });
      await writeFile(join(seed, 'user-data'), USER_DATA);
      await writeFile(join(seed, 'meta-data'), `instance-id: ${name}\nlocal-hostname: ${name}\n`);
      const iso = `${seed}.iso`;
      const files = [join(seed, 'user-data'), join(seed, 'meta-data')];
      await execa('genisoimage', [
        '-quiet',
        '-output',
        iso,
        '-volid',
        'cidata',
        '-joliet',
        '-rock',
        ...files,
      ]);
      await virsh(
        'vol-create-as',
        'default',
        `${name}.qcow2`,
        '28M',
        '--format',
        'qcow2',
        '--backing-vol',
        baseVolume,
        '--backing-vol-format',
        'qcow2',
      );
      await virsh('vol-create-as', 'default', `${name}.iso`, '400K', '--format', 'raw');
      await virsh('vol-upload', '--pool', 'default', `${name}.iso`, iso);
      await writeFile(`${seed}.xml`, domainXml(name));
      await virsh('define', `${seed}.xml`);
      await virsh('start', name);
    },
    async remove(round) {
      const name = `hand-${round}`;
      await virsh('destroy', name);
      await virsh('undefine', name);
      await virsh('vol-delete', '--pool', 'default', `${name}.qcow2`);
      await virsh('vol-delete', '--pool', 'default', `${name}.iso`);
    },
    close: async () => {},
  };
}

/** The same stack in a fresh directory: init and apply, with a provider that Terraform starts itself. */
export async function plainTerraform(bed: Bed, engine: Engine): Promise<Subject> {
  const directory = (round: number) => join(bed.directory, `plain-${round}`);
  const terraform = (cwd: string, ...args: string[]) =>
    execa('terraform', [...args, '-input=false', '-no-color'], {
      cwd,
      env: { ...bed.env, CHECKPOINT_DISABLE: '1' },
    });
  return {
    name: 'terraform init + apply',
    async create(round) {
      const cwd = directory(round);
      await mkdir(cwd, { recursive: true });
      await writeFile(
        join(cwd, 'main.tf.json'),
        JSON.stringify(await stackOf(engine, bed, `plain-${round}`, cwd)),
      );
      await terraform(cwd, 'init');
      await terraform(cwd, 'apply', '-auto-approve');
    },
    async remove(round) {
      await terraform(directory(round), 'apply', '-destroy', '-auto-approve');
    },
    close: async () => {},
  };
}

async function stackOf(engine: Engine, bed: Bed, name: string, directory: string): Promise<object> {
  const object = {
    ...manifest(bed, name),
    metadata: { name, namespace: 'default', uid: `00000000-${name}` },
  };
  const placed = await engine.resolver.place(object as never);
  const { intent } = await engine.resolver.resolve(placed, await engine.resolver.seed(placed));
  return engine.synthesizer.machine(await writeSeed(intent, directory), { kind: 'implicit' });
}

/** An engine that would serve one host for weeks: the provider is warm, cdktf loaded. */
export async function openBenchEngine(bed: Bed): Promise<Engine> {
  Object.assign(process.env, bed.env);
  const config = configOf({ libvirtUri: bed.uri, stateDir: join(bed.directory, 'state') });
  return openEngine(config, { recorder: { event: () => {} }, now: true });
}

/** One reconcile of a new Machine, and one of a deleted one, in a running process. */
export function inProcess(bed: Bed, engine: Engine): Subject {
  const key = (round: number): ObjectKey => ({ namespace: 'default', name: `ours-${round}` });
  return {
    name: 'caplv, running process',
    async create(round) {
      await engine.store.apply(MachineKind, manifest(bed, key(round).name) as never, {
        fieldManager: 'bench',
      });
      await engine.machines.reconcile(key(round));
    },
    async remove(round) {
      await engine.store.delete(MachineKind, key(round));
      await engine.machines.reconcile(key(round));
    },
    close: () => engine.close(),
  };
}

/** The command, from start to end: what starting up adds. */
export function command(bed: Bed, bin: string): Subject {
  const caplv = (...args: string[]) =>
    execa(process.execPath, [bin, ...args], {
      env: { ...bed.env, CAPLV_LIBVIRT_URI: bed.uri, CAPLV_STATE_DIR: join(bed.directory, 'state') },
    });
  return {
    name: 'caplv apply / delete command',
    async create(round) {
      const file = join(bed.directory, `command-${round}.json`);
      await writeFile(file, JSON.stringify(manifest(bed, `command-${round}`)));
      await caplv('apply', '-f', file);
    },
    async remove(round) {
      await caplv('delete', 'machine', `command-${round}`, '--now');
    },
    close: () => rm(bed.directory, { recursive: true, force: true }),
  };
}

/** Like the domain that the provider defines: i440FX, virtio disk and network, seed on IDE. */
function domainXml(name: string): string {
  return `<domain type="qemu"><name>${name}</name><memory unit="MiB">128</memory><vcpu>1</vcpu>
    <os><type arch="x86_64" machine="pc">hvm</type></os><features><acpi/><apic/></features>
    <devices>
      <disk type="volume" device="disk"><driver name="qemu" type="qcow2"/><source pool="default" volume="${name}.qcow2"/><target dev="vda" bus="virtio"/></disk>
      <disk type="volume" device="cdrom"><driver name="qemu" type="raw"/><source pool="default" volume="${name}.iso"/><target dev="hda" bus="ide"/><readonly/></disk>
      <interface type="network"><source network="default"/><model type="virtio"/></interface>
      <serial type="pty"><target port="0"/></serial><console type="pty"><target type="serial" port="0"/></console>
      <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
    </devices></domain>`;
}
