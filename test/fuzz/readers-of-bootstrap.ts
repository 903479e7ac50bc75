/** Lists the readers of images, boot data and network configurations of tenants and their servers. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { CaplvError, TerminalError } from '../../src/errors.ts';
import { requireText } from '../../src/intent/bootstrap-text.ts';
import { requireHeader } from '../../src/intent/cloud-init.ts';
import { inspectImage } from '../../src/intent/image.ts';
import { Policy } from '../../src/intent/policy.ts';
import { requireNetworkConfig } from '../../src/intent/seed/network-config.ts';
import { seedOf } from '../../src/intent/seed.ts';
import { hostileText } from './hostile.ts';
import { MACHINE } from './identities.ts';
import { zerosPacked } from './inputs/bombs.ts';
import { pieces, yamlText } from './inputs/json.ts';
import { type Reader, reader, refusedBy, require } from './reader.ts';

const NETWORK_V2 = {
  version: 2,
  ethernets: {
    eth0: { dhcp4: true, addresses: ['10.0.0.2/24'], match: { macaddress: '52:54:00:00:00:11' } },
  },
};
const NETWORK_V1 = {
  network: { version: 1, config: [{ type: 'physical', name: 'eth0', subnets: [{ type: 'dhcp' }] }] },
};

const VARIABLES = {
  CAPLV_MACHINE_NAME: 'web',
  CAPLV_NAMESPACE: 'default',
  CAPLV_CLUSTER_NAME: undefined,
  CAPLV_KUBELET_VERSION: undefined,
  CAPLV_POD_CIDR: undefined,
  CAPLV_SERVICE_CIDR: undefined,
  CAPLV_SERVICE_DOMAIN: undefined,
  CAPLV_PROVIDER_ID: 'libvirt:///x',
};

/** A header as QEMU writes it, with unusual values in some of its fields. */
const MAX_IMAGE_GB = 128;
const policy = new Policy({ allow: '/', maxImageGB: MAX_IMAGE_GB });
const number64 = fc.constantFrom(
  0n,
  1n,
  512n,
  2n ** 31n,
  2n ** 37n,
  2n ** 37n + 1n,
  2n ** 53n + 1n,
  2n ** 63n,
  2n ** 64n - 1n,
);
const header = fc
  .record({
    magic: fc.constantFrom(
      'QFI\xfb',
      'QFI\xfb',
      'QFI\xfb',
      'QED\0',
      'KDMV',
      'vhdxfile',
      'conectix',
      '\0\0\0\0',
    ),
    version: fc.constantFrom(0, 1, 2, 3, 4, 2 ** 32 - 1),
    backing: fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: number64 }),
    size: number64,
    incompatible: fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: number64 }),
    length: fc.constantFrom(0, 3, 4, 31, 32, 72, 79, 80, 104, 511, 512, 513, 4_096),
    isBootable: fc.boolean(),
    rest: fc.uint8Array({ maxLength: 64 }),
  })
  .map(({ magic, version, backing, size, incompatible, length, isBootable, rest }) => {
    const bytes = Buffer.alloc(4_096);
    bytes.set(rest, 200);
    bytes.write(magic, 'latin1');
    bytes.writeUInt32BE(version, 4);
    bytes.writeBigUInt64BE(backing, 8);
    bytes.writeBigUInt64BE(size, 24);
    bytes.writeBigUInt64BE(incompatible, 72);
    if (isBootable) bytes.set([0x55, 0xaa], 510);
    return { bytes: bytes.subarray(0, length), backing, incompatible, magic };
  });

const userData = fc
  .tuple(
    pieces([
      '#cloud-config\n',
      '#!/bin/sh\n',
      '${CAPLV_',
      '${CAPLV_MACHINE_NAME}',
      '}',
      '$',
      'MIME-Version: 1.0\n',
      '\n',
      '{"a": 1}',
      '\0',
      '\ud800',
    ]),
    fc.constantFrom('text', 'text', 'bytes', 'gzip', 'cut', 'zeros'),
  )
  .map(([text, how]) => {
    if (how === 'text') return text;
    if (how === 'zeros') return zerosPacked();
    const zipped = gzipSync(text);
    if (how === 'cut') return zipped.subarray(0, zipped.length / 2);
    return how === 'gzip' ? zipped : Buffer.from(text, 'latin1');
  });

async function withFile<T>(bytes: Uint8Array, use: (file: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'caplv-fuzz-'));
  try {
    const file = join(directory, 'image');
    await writeFile(file, bytes);
    return await use(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

export const BOOTSTRAP_READERS: readonly Reader[] = [
  reader({
    name: 'headers of images',
    runs: 2_000,
    inputs: header,
    read: ({ bytes, backing, incompatible, magic }) =>
      refusedBy([TerminalError], () =>
        withFile(bytes, async (file) => {
          const { virtualSizeBytes = 0 } = await inspectImage(file, 'spec.imageURI', policy);
          require(virtualSizeBytes >= 0 &&
            virtualSizeBytes <= MAX_IMAGE_GB * 2 ** 30, 'an image that is too large');
          const isQcow = magic === 'QFI\xfb' && bytes.length >= 32;
          require(!isQcow || backing === 0n, 'an overlay');
          require(!isQcow || bytes.readUInt32BE(4) < 3 || (incompatible & 4n) === 0n, 'data in another file');
        }),
      ),
  }),
  reader({
    name: 'network configurations',
    runs: 2_000,
    inputs: yamlText(NETWORK_V2, NETWORK_V1),
    read: (text) => refusedBy([TerminalError], () => requireNetworkConfig(text, 'spec.networkConfig')),
  }),
  reader({
    name: 'user data and Ignition',
    runs: 2_000,
    inputs: fc.tuple(userData, fc.constantFrom('userData', 'ignition')),
    read: ([data, field]) =>
      refusedBy([CaplvError], async () => {
        const seed = await seedOf(
          { [field]: data },
          { machine: MACHINE, pool: 'default', variables: VARIABLES, path: 'spec', policy },
        );
        require(seed.volume.startsWith('default.web.1b9d6bcd-seed'), 'a seed of another name');
      }),
  }),
  reader({
    name: 'text with headers',
    runs: 2_000,
    inputs: hostileText,
    read: (text) => refusedBy([TerminalError], () => requireHeader(requireText(text, 'spec'), 'spec')),
  }),
];
