/** Creates machines with hostile strings, and reads what libvirt shows of them. */

import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { XMLParser } from 'fast-xml-parser';
import { escapeXml } from './hostile-strings.ts';
import { type ManifestObject, machine } from './manifests.ts';

const FIRMWARE = '/usr/share/OVMF';

/** The host of such a machine, for example a Standalone. */
export interface HostileHost {
  readonly lab: { readonly imagePath: string };
  /** For files. */
  readonly directory: string;
  /** Writes a file there. */
  file(name: string, content: string): Promise<string>;
  virsh(...args: readonly string[]): Promise<string>;
}

export interface HostileMachine {
  readonly name: string;
  readonly manifest: ManifestObject;
  /** As they stand in the manifest. */
  readonly firmware: string;
  readonly nvramTemplate: string;
  readonly image: string;
  readonly volumes: readonly string[];
}

export interface HostileNames {
  readonly image: string;
  readonly firmware: string;
  readonly nvram: string;
  readonly userData: string;
  /** Names of existing volumes; see `makeVolume`. */
  readonly volumes: readonly string[];
}

/** `texts`: for fields that take any text. */
export async function hostileMachine(
  here: HostileHost,
  name: string,
  names: HostileNames,
  texts: readonly string[],
): Promise<HostileMachine> {
  const files = {
    image: join(here.directory, `i${names.image}`),
    firmware: join(here.directory, `f${names.firmware}`),
    nvramTemplate: join(here.directory, `n${names.nvram}`),
  };
  await copyFile(here.lab.imagePath, files.image);
  await copyFile(join(FIRMWARE, 'OVMF_CODE.fd'), files.firmware);
  await copyFile(join(FIRMWARE, 'OVMF_VARS.fd'), files.nvramTemplate);
  const userDataURI = await here.file(`u${names.userData}`, userDataOf(texts));
  const { metadata, spec, ...rest } = machine(name, {
    imageURI: files.image,
    userDataURI,
    networkConfig: networkConfigOf(texts),
    firmware: files.firmware,
    nvramTemplate: files.nvramTemplate,
    disks: names.volumes.map((volume, index) => ({ name: `d${index}`, volume: `default/${volume}` })),
  }) as { metadata: object; spec: object };
  const annotations = Object.fromEntries(texts.map((text, index) => [`example.com/a${index}`, text]));
  const taint = { key: (texts[0] ?? '').slice(0, 317), value: (texts[1] ?? '').slice(0, 63) };
  return {
    name,
    ...files,
    volumes: names.volumes,
    manifest: {
      ...rest,
      metadata: { ...metadata, annotations },
      spec: {
        ...spec,
        metadata: { annotations },
        taints: [{ ...taint, effect: 'NoSchedule' }],
        configSource: Object.fromEntries(texts.map((text) => [text, { [text]: [text] }])),
      },
    },
  };
}

/** No NUL: in a file that means that it is no text. */
export function userDataOf(texts: readonly string[]): string {
  return `#cloud-config\n${texts.join('\n').replaceAll('\0', '')}`;
}

/** In quotes: as it stands, most of it is no YAML, and is refused. Without texts that are longer than a network configuration may be. */
export function networkConfigOf(texts: readonly string[]): string {
  return JSON.stringify({ version: 2, texts: texts.filter(({ length }) => length < 10_000) });
}

/** An empty volume of the pool `default` with that name. */
export async function makeVolume(here: HostileHost, name: string): Promise<void> {
  const xml = `<volume><name>${escapeXml(name)}</name><capacity unit='KiB'>64</capacity><target><format type='raw'/></target></volume>`;
  await here.virsh('vol-create', 'default', await here.file('volume.xml', xml));
}

export interface ShownDomain {
  readonly description: string;
  readonly firmware: string | undefined;
  readonly nvramTemplate: string | undefined;
  /** In order: POOL/VOLUME, or the path of a file. */
  readonly disks: readonly string[];
}

// biome-ignore lint/suspicious/noExplicitAny: libvirt's XML, as it comes
const parser: { parse(xml: string): any } = new XMLParser({
  ignoreAttributes: false,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  htmlEntities: true,
  isArray: (name) => name === 'disk',
});

export async function shownDomain(here: HostileHost, domain: string): Promise<ShownDomain> {
  const shown = parser.parse(await here.virsh('dumpxml', '--inactive', domain)).domain;
  return {
    description: shown.description,
    firmware: shown.os.loader?.['#text'],
    nvramTemplate: shown.os.nvram?.['@_template'],
    disks: shown.devices.disk.map(
      ({ source }: { source: Record<string, string> }) =>
        source['@_file'] ?? `${source['@_pool']}/${source['@_volume']}`,
    ),
  };
}

/** The content of a volume, by virsh. */
export async function volumeContent(here: HostileHost, pool: string, volume: string): Promise<Buffer> {
  const file = join(here.directory, 'downloaded');
  await here.virsh('vol-download', `--pool=${pool}`, `--vol=${volume}`, file);
  return readFile(file);
}

/** A file of a seed ISO, read by another program than the one that wrote it. */
export async function seedFile(here: HostileHost, volume: string, name: string): Promise<string> {
  await volumeContent(here, 'default', volume);
  const { stdout } = await execa(
    'isoinfo',
    ['-i', join(here.directory, 'downloaded'), '-J', '-x', `/${name}`],
    {
      encoding: 'buffer',
      stripFinalNewline: false,
    },
  );
  return Buffer.from(stdout).toString('utf8');
}
