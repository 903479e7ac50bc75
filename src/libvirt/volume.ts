import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, RunOptions, Virsh } from './virsh.ts';
import type { Command } from './virsh-command.ts';
import { XmlElement } from './xml.ts';

export interface Volume {
  readonly pool: string;
  readonly name: string;
  /** Path, or what the pool's kind has instead; Terraform's key of the volume. */
  readonly path: string;
  /** What the guest sees. */
  readonly capacityBytes: number;
  /** What it takes on the host now. */
  readonly allocationBytes: number;
  /** `qcow2`, `raw`, `iso`, … */
  readonly format: string;
  /** The file below an overlay. */
  readonly backingPath?: string | undefined;
}

/** Undefined when the volume or its pool does not exist. Throws LibvirtError, for example when the pool is not active. */
export async function findVolume(
  virsh: Virsh,
  pool: string,
  name: string,
  options?: RunOptions,
): Promise<Volume | undefined> {
  const [answer] = await virsh.batch([volumeCommand({ pool, name })], options);
  if (answer === undefined || answer.error?.code === 'notFound') return undefined;
  if (answer.error) throw answer.error;
  return volumeFrom({ pool, name }, answer.text);
}

export interface VolumeKey {
  readonly pool: string;
  readonly name: string;
}

export function volumeCommand({ pool, name }: VolumeKey): Command {
  return ['vol-dumpxml', `--pool=${pool}`, `--vol=${name}`];
}

/** Undefined for another one: virsh goes on to look for a key or path of that name. */
export function volumeFrom({ pool, name }: VolumeKey, xml: string): Volume | undefined {
  const volume = parseVolume(pool, xml);
  return volume.name === name ? volume : undefined;
}

/** Reads the output of `virsh vol-dumpxml`. */
export function parseVolume(pool: string, xml: string): Volume {
  const volume = XmlElement.parse(xml, 'volume');
  const target = volume.child('target');
  return {
    pool,
    name: volume.child('name').text ?? '',
    path: target.child('path').text ?? volume.child('key').text ?? '',
    capacityBytes: Number(volume.child('capacity').text),
    allocationBytes: Number(volume.child('allocation').text),
    format: target.child('format').attribute('type') ?? 'raw',
    backingPath: volume.child('backingStore').child('path').text,
  };
}

/**
 * Bytes that a pool has left, read anew from its storage: libvirt remembers what it saw last. Throws LibvirtError, also when
 * the pool stays busy: while something is written to one of its volumes libvirt does not read it.
 */
export async function poolSpace(virsh: Virsh, pool: string, options?: RunOptions): Promise<number> {
  const option = `--pool=${pool}`;
  for (let tries = 1; ; tries++) {
    const [refreshed, info] = (await virsh.batch(
      [
        ['pool-refresh', option],
        ['pool-info', option, '--bytes'],
      ],
      options,
    )) as [Answer, Answer];
    const error = refreshed.error ?? info.error;
    if (error === undefined) return Number(/^Available:\s+(\d+)$/m.exec(info.text)?.[1]);
    if (tries === MAX_TRIES || !BUSY.test(error.message)) throw error;
    await sleep(PAUSE_MS);
  }
}

const BUSY = /asynchronous jobs running/i;

/** Libvirt notices within moments that whoever wrote has gone. */
const MAX_TRIES = 10;
const PAUSE_MS = 300;
