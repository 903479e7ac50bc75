/** A further disk of a machine: a new volume, or one that exists. */

import { z } from 'zod';
import { CONTROLS, dnsLabel, libvirtName, libvirtText } from '../schema/field.ts';
import { withRules } from '../schema/rule.ts';

const VOLUME_FORM = 'an existing volume as POOL/NAME, for example default/data.qcow2';

export const DiskSchema = withRules(
  z.strictObject({
    name: dnsLabel()
      .max(32)
      .describe('Name of the disk within the machine; part of the name of its volume, for example data.'),
    sizeGB: z
      .number()
      .gt(0)
      .max(1_048_576)
      .optional()
      .describe(
        'Size in GB of a new, empty volume that is created and deleted with the machine, for example 20. A larger size grows the volume in place, under a running guest too; it cannot be made smaller.',
      ),
    pool: libvirtName().optional().describe("Pool of the new volume. Default: the machine's pool."),
    format: z.enum(['qcow2', 'raw']).optional().describe('Format of the new volume. Default: qcow2.'),
    volume: libvirtText(new RegExp(String.raw`^[^/\s${CONTROLS}]+\/[^/${CONTROLS}]+$`), VOLUME_FORM, 512)
      .optional()
      .describe(
        'Existing volume, POOL/NAME, which is attached and never deleted, for example default/data.qcow2.',
      ),
  }),
  [
    {
      fields: ['sizeGB', 'volume'],
      message: 'a disk is either new (sizeGB) or existing (volume)',
      fix: 'give exactly one of sizeGB and volume',
      cel: 'has(self.sizeGB) != has(self.volume)',
      check: ({ sizeGB, volume }) => (sizeGB === undefined) !== (volume === undefined),
    },
    {
      fields: ['volume', 'pool', 'format'],
      message: 'pool and format describe a new disk, and volume names an existing one',
      fix: 'leave out pool and format; volume names its pool itself',
      cel: '!has(self.volume) || (!has(self.pool) && !has(self.format))',
      check: ({ volume, pool, format }) =>
        volume === undefined || (pool === undefined && format === undefined),
    },
  ],
);
