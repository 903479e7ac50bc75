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
  /** Path, or the pool's own form of it; Terraform's key of the volume. */
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

/** Reads a volume; undefined when it or its pool does not exist. Throws LibvirtError, for example when the pool is not active. */
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

/** Asks for the path of a volume, which reads neither the volume nor its pool. */
export function volumePathCommand({ pool, name }: VolumeKey): Command {
  return ['vol-path', `--pool=${pool}`, `--vol=${name}`];
}

/**
 * Parses the volume; undefined if it is another one, since virsh also finds volumes by key or path. Throws LibvirtError for XML that
 * cannot be read.
 */
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
 * Returns the free bytes of a pool after a refresh, since libvirt reports the last known value. Throws LibvirtError, also when the
 * pool stays busy: libvirt does not refresh it while one of its volumes is written.
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
 * Reads a volume after a refresh of its pool, or without it if the pool stays busy. Undefined when the volume does not exist.
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

/** Refreshes the pool and then runs `command`; retries for a while if the pool is busy. */
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

/** Limits the attempts: libvirt soon notices that a writer has gone. */
const MAX_TRIES = 10;
const PAUSE_MS = 300;

/**
 * Reads the first `bytes` of a volume, by its key. Undefined for a pool whose volumes cannot be read, since they are no files. Throws
 * LibvirtError.
 */
export async function volumeHeader(
  virsh: Virsh,
  key: string,
  bytes: number,
  options?: RunOptions,
): Promise<Buffer | undefined> {
  // The content of a guest's disk is private.
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

/** Lists the formats of QEMU and libvirt beside qcow2 and raw: https://libvirt.org/storage.html. Several of them refer to further files. */
const OTHER_FORMATS: ReadonlySet<string> = new Set(
  'bochs cloop cow dmg fat ploop qcow qed vdi vhd vhdx vmdk vpc'.split(' '),
);

/** Returns why a volume is unsafe: QEMU would open further files, or take it for another format. Undefined: it is safe. */
export function formatProblem({ format, backingPath }: Volume): string | undefined {
  if (backingPath !== undefined) return 'is an overlay of another file of its host';
  return OTHER_FORMATS.has(format) ? `has the format ${format}; only qcow2 and raw are used` : undefined;
}

/** A disk of a running guest. */
export interface OpenDisk {
  /** UUID of the domain. */
  readonly domain: string;
  /** Path of the volume on the host. */
  readonly path: string;
}

/**
 * Makes a volume larger, with all that is in it; takes no space of the host that is not used. `open`: the guest that has it open, which
 * sees the new size at once; undefined: none has. `bytes`: more than it has. Throws LibvirtError, also when the guest was started or
 * stopped in between.
 */
export async function growVolume(
  virsh: Virsh,
  { pool, name }: VolumeKey,
  bytes: number,
  open?: OpenDisk,
): Promise<void> {
  const size = `${bytes}B`;
  await virsh.run(
    open
      ? ['blockresize', `--domain=${open.domain}`, `--path=${open.path}`, `--size=${size}`]
      : ['vol-resize', `--pool=${pool}`, `--vol=${name}`, `--capacity=${size}`],
  );
}
