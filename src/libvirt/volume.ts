/** Reads storage volumes, their first bytes, and the free space of pools. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, RunOptions, Virsh } from './virsh.ts';
import type { Command } from './virsh-command.ts';
import { readXml, XmlElement } from './xml.ts';

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
  return volumeFrom(virsh, { pool, name }, answer.text);
}

export interface VolumeKey {
  readonly pool: string;
  readonly name: string;
}

export function volumeCommand({ pool, name }: VolumeKey): Command {
  return ['vol-dumpxml', `--pool=${pool}`, `--vol=${name}`];
}

/** Undefined for another one: virsh goes on to look for a key or path of that name. Throws LibvirtError for what cannot be read. */
export function volumeFrom(virsh: Virsh, key: VolumeKey, xml: string): Volume | undefined {
  const { pool, name } = key;
  const volume = readXml(virsh, volumeCommand(key), `volume ${pool}/${name}`, () => parseVolume(pool, xml));
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
  const { refreshed, answer } = await refreshedAnswer(
    virsh,
    pool,
    ['pool-info', `--pool=${pool}`, '--bytes'],
    options,
  );
  const error = refreshed.error ?? answer.error;
  if (error) throw error;
  return Number(/^Available:\s+(\d+)$/m.exec(answer.text)?.[1]);
}

/**
 * A volume as libvirt reads it off its content now; where the pool stays busy, as it read it last. Undefined when it does not exist.
 * Throws LibvirtError.
 */
export async function refreshedVolume(
  virsh: Virsh,
  key: VolumeKey,
  options?: RunOptions,
): Promise<Volume | undefined> {
  const { refreshed, answer } = await refreshedAnswer(virsh, key.pool, volumeCommand(key), options);
  if (refreshed.error && !BUSY.test(refreshed.error.message)) throw refreshed.error;
  if (answer.error?.code === 'notFound') return undefined;
  if (answer.error) throw answer.error;
  return volumeFrom(virsh, key, answer.text);
}

/** Reads the pool anew, and then runs `command`; again and again for a while if the pool is busy. */
async function refreshedAnswer(virsh: Virsh, pool: string, command: Command, options?: RunOptions) {
  for (let tries = 1; ; tries++) {
    const [refreshed, answer] = (await virsh.batch(
      [['pool-refresh', `--pool=${pool}`], command],
      options,
    )) as [Answer, Answer];
    const error = refreshed.error ?? answer.error;
    if (tries === MAX_TRIES || !error || !BUSY.test(error.message)) return { refreshed, answer };
    await sleep(PAUSE_MS);
  }
}

const BUSY = /asynchronous jobs running/i;

/** Libvirt notices within moments that whoever wrote has gone. */
const MAX_TRIES = 10;
const PAUSE_MS = 300;

/**
 * The first `bytes` of a volume, by its key. Undefined where its pool's kind lets nobody read them: then it is no file. Throws
 * LibvirtError.
 */
export async function volumeHeader(
  virsh: Virsh,
  key: string,
  bytes: number,
  options?: RunOptions,
): Promise<Buffer | undefined> {
  // What a guest has on its disk is for nobody else to read.
  const directory = await mkdtemp(join(tmpdir(), 'caplv-header-'));
  try {
    const file = join(directory, 'header');
    const command: Command = [
      'vol-download',
      `--vol=${key}`,
      `--file=${file}`,
      '--offset=0',
      `--length=${bytes}`,
    ];
    const [answer] = await virsh.batch([command], options);
    if (answer?.error === undefined) return await readFile(file);
    if (/not support/i.test(answer.error.message)) return undefined;
    throw answer.error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Formats of files that QEMU and libvirt know beside qcow2 and raw: https://libvirt.org/storage.html. Several name further files. */
const OTHER_FORMATS: ReadonlySet<string> = new Set(
  'bochs cloop cow dmg fat ploop qcow qed vdi vhd vhdx vmdk vpc'.split(' '),
);

/** What QEMU would open beside a volume itself, or take it for; undefined: nothing. */
export function formatProblem({ format, backingPath }: Volume): string | undefined {
  if (backingPath !== undefined) return 'is an overlay of another file of its host';
  return OTHER_FORMATS.has(format) ? `has the format ${format}; only qcow2 and raw are used` : undefined;
}
