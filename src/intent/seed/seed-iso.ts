/**
 * Writes the CD that cloud-init reads as its NoCloud source: named `cidata`, with up to three files.
 * https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
export interface SeedFiles {
  readonly userData: string;
  /** Of `userData`; absent: it is text. */
  readonly userDataEncoding?: 'base64';
  readonly metaData: string;
  readonly networkConfig?: string;
}

const SECTOR = 2048;
const LABEL = 'cidata';

/** Where things lie, in sectors. The first 16 are for whoever boots from it. */
const PRIMARY = 16;
const JOLIET = 17;
const TERMINATOR = 18;
const PATH_TABLES = { primary: 19, joliet: 21 };
const ROOTS = { primary: 23, joliet: 24 };
const DATA = 25;

/** busybox (`findfs`) takes a device of less than 68 KiB for an empty drive. */
const SMALLEST = 64;

/** How a volume descriptor and its directory write names. */
interface Flavour {
  readonly root: number;
  readonly pathTables: number;
  readonly name: (file: SeedFile) => Buffer;
  readonly text: (value: string, length: number) => Buffer;
}

interface SeedFile {
  readonly name: string;
  /** Where there are only capitals, eight of them. */
  readonly shortName: string;
  readonly content: Buffer;
  readonly sector: number;
}

const primary: Flavour = {
  root: ROOTS.primary,
  pathTables: PATH_TABLES.primary,
  name: ({ shortName }) => Buffer.from(`${shortName}.;1`),
  text: (value, length) => Buffer.from(value.padEnd(length)),
};

/** Long names, in big-endian UCS-2. */
const joliet: Flavour = {
  root: ROOTS.joliet,
  pathTables: PATH_TABLES.joliet,
  name: ({ name }) => Buffer.from(name, 'utf16le').swap16(),
  text: (value, length) => Buffer.from(value.padEnd(length / 2), 'utf16le').swap16(),
};

/** Writes an ISO 9660 image with Joliet names (ECMA-119). The same files give the same bytes. */
export function seedIso({ userData, userDataEncoding, metaData, networkConfig }: SeedFiles): Buffer {
  const files = place([
    ['meta-data', 'META_DAT', Buffer.from(metaData)],
    ...(networkConfig === undefined
      ? []
      : [['network-config', 'NETWORK_', Buffer.from(networkConfig)] as const]),
    ['user-data', 'USER_DAT', Buffer.from(userData, userDataEncoding ?? 'utf8')],
  ]);
  const end = files.reduce((sector, file) => sector + sectors(file.content), DATA);
  const size = Math.max(end, SMALLEST);
  const image = Buffer.alloc(size * SECTOR);
  const put = (sector: number, content: Buffer) => content.copy(image, sector * SECTOR);
  put(PRIMARY, descriptor(1, primary, size));
  put(JOLIET, descriptor(2, joliet, size));
  put(TERMINATOR, Buffer.from('\xffCD001\x01', 'latin1'));
  for (const flavour of [primary, joliet]) {
    put(flavour.pathTables, pathTable(flavour, 'little'));
    put(flavour.pathTables + 1, pathTable(flavour, 'big'));
    put(flavour.root, directory(flavour, files));
  }
  for (const { sector, content } of files) put(sector, content);
  return image;
}

function place(files: readonly (readonly [name: string, shortName: string, content: Buffer])[]): SeedFile[] {
  let sector = DATA;
  return files.map(([name, shortName, content]) => {
    const file = { name, shortName, content, sector };
    sector += sectors(content);
    return file;
  });
}

function sectors(content: Buffer): number {
  return Math.ceil(content.length / SECTOR);
}

/** Volume descriptor, ECMA-119 8.4 and 8.5. */
function descriptor(type: 1 | 2, flavour: Flavour, size: number): Buffer {
  const { text, pathTables, root } = flavour;
  const sector = Buffer.alloc(SECTOR);
  sector.write('CD001\x01', 1, 'latin1');
  sector[0] = type;
  text('', 32).copy(sector, 8);
  text(LABEL, 32).copy(sector, 40);
  both32(size).copy(sector, 80);
  if (type === 2) sector.write('%/E', 88);
  both16(1).copy(sector, 120);
  both16(1).copy(sector, 124);
  both16(SECTOR).copy(sector, 128);
  both32(PATH_TABLE_BYTES).copy(sector, 132);
  sector.writeUInt32LE(pathTables, 140);
  sector.writeUInt32BE(pathTables + 1, 148);
  record(Buffer.of(0), root, SECTOR, true).copy(sector, 156);
  // Names of set, publisher, preparer, application and three files; then four dates that say "unknown".
  text('', 623).copy(sector, 190);
  for (let date = 0; date < 4; date += 1) sector.fill('0', 813 + date * 17, 829 + date * 17);
  sector[881] = 1;
  return sector;
}

const PATH_TABLE_BYTES = 10;

/** The root directory, the only one there is. ECMA-119 9.4. */
function pathTable({ root }: Flavour, order: 'little' | 'big'): Buffer {
  const table = Buffer.alloc(PATH_TABLE_BYTES);
  table[0] = 1;
  if (order === 'little') {
    table.writeUInt32LE(root, 2);
    table.writeUInt16LE(1, 6);
  } else {
    table.writeUInt32BE(root, 2);
    table.writeUInt16BE(1, 6);
  }
  return table;
}

/** Itself, its parent (itself again), and the files. */
function directory({ root, name }: Flavour, files: readonly SeedFile[]): Buffer {
  return Buffer.concat([
    record(Buffer.of(0), root, SECTOR, true),
    record(Buffer.of(1), root, SECTOR, true),
    ...files.map((file) => record(name(file), file.sector, file.content.length, false)),
  ]);
}

/** Directory record, ECMA-119 9.1. All files date from 1970-01-01. */
function record(name: Buffer, sector: number, bytes: number, isDirectory: boolean): Buffer {
  const length = 33 + name.length + ((name.length + 1) % 2);
  const entry = Buffer.alloc(length);
  entry[0] = length;
  both32(sector).copy(entry, 2);
  both32(bytes).copy(entry, 10);
  Buffer.of(70, 1, 1).copy(entry, 18);
  entry[25] = isDirectory ? 2 : 0;
  both16(1).copy(entry, 28);
  entry[32] = name.length;
  name.copy(entry, 33);
  return entry;
}

/** ECMA-119 writes numbers twice: little-endian, then big-endian. */
function both32(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  bytes.writeUInt32BE(value, 4);
  return bytes;
}

function both16(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16LE(value, 0);
  bytes.writeUInt16BE(value, 2);
  return bytes;
}
