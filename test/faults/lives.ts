/** Defines the operations that faults interrupt, and their expected results. */

import { EVERYTHING, type Victim } from './fault-points.ts';

const ROOT = 'libvirt_volume.root';
const DATA = 'libvirt_volume.disk_data';
const SEED = 'libvirt_volume.seed';
const DOMAIN = 'libvirt_domain.machine';

/** All that the state of such a machine knows, sorted. */
export const RESOURCES = [DOMAIN, DATA, ROOT, SEED, 'terraform_data.base_image', 'terraform_data.shape'];

/** The same after the change. */
export const CHANGED = [
  DOMAIN,
  DATA,
  ROOT,
  SEED,
  ...['base_image', 'note', 'shape'].map((name) => `terraform_data.${name}`),
];

/** A change of the domain, which starts it for a moment, and of something that only Terraform knows. */
const CHANGE = {
  autostart: true,
  terraform: { resource: { terraform_data: { note: { input: 'changed' } } } },
};

/** Its volumes, sorted, as `volumeNames` has them. */
export const VOLUMES = ['disk-data.qcow2', 'root.qcow2', 'seed.iso'];

/** The points at which processes are killed: in the creation, a change, a replacement and the deletion of a machine. */
export type Points = readonly [create: string, update: string, replace: string, remove: string];

const LIVES: readonly Points[] = [
  ['start apply', 'start plan', `delete_start ${DOMAIN}`, 'start destroy'],
  [`create_start ${ROOT}`, 'end plan', `delete_complete ${DOMAIN}`, `delete_start ${DOMAIN}`],
  [`create_complete ${ROOT}`, 'start apply', `delete_start ${ROOT}`, `delete_complete ${DOMAIN}`],
  [`create_start ${DATA}`, `update_start ${DOMAIN}`, `delete_complete ${ROOT}`, `delete_start ${ROOT}`],
  [`create_complete ${SEED}`, `update_complete ${DOMAIN}`, `create_start ${SEED}`, `delete_complete ${ROOT}`],
  [`create_start ${DOMAIN}`, 'saved', `create_complete ${ROOT}`, `delete_complete ${SEED}`],
  [`create_complete ${DOMAIN}`, 'end apply', `create_start ${DOMAIN}`, 'saved'],
  ['saved', 'end apply', `create_complete ${DOMAIN}`, 'end destroy'],
];

export interface Life {
  readonly killed: string;
  readonly victims: readonly Victim[];
  readonly points: Points;
  readonly name: string;
  readonly spec: object;
  /** The specification once it is changed, and once it is to be replaced. */
  readonly changed: object;
  readonly replaced: object;
}

/**
 * `caplv`: how the process that starts terraform is called there. `each`: for each kind of victims, every how manieth of the
 * lives.
 */
export function lives(caplv: string, each: readonly number[]): Life[] {
  const victims: readonly (readonly [string, readonly Victim[]])[] = [
    [caplv, ['caplv']],
    ['terraform', ['terraform']],
    ['the provider', ['provider']],
    [`${caplv}, terraform and provider`, EVERYTHING],
  ];
  return victims.flatMap(([killed, victims], row) =>
    LIVES.flatMap((points, column) => {
      if (column % (each[row] ?? 1) !== 0) return [];
      const spec = {
        userData: '#cloud-config\n',
        disks: [{ name: 'data', sizeGB: 1 }],
        interfaces: [{ network: 'default', addresses: [`192.168.122.${100 + 10 * row + column}`] }],
      };
      const changed = { ...spec, ...CHANGE };
      const replaced = { ...changed, userData: '#cloud-config\n# anew\n' };
      return { killed, victims, points, name: `m${row}${column}`, spec, changed, replaced };
    }),
  );
}

/** For the report. */
export function faultOf({ killed }: Life, verb: string, point: string): string {
  return `SIGKILL of ${killed}, ${verb}: ${point.replace('_', ' ')}`;
}

/** What differs between the names of a machine's volumes, sorted. */
export function volumeNames(volumes: readonly string[], machine: string): string[] {
  return volumes
    .filter((volume) => volume.startsWith(`default.${machine}.`))
    .map((volume) => /\.[0-9a-f]{8}-(.*?)(-[0-9a-f]{16})?$/.exec(volume)?.[1] ?? volume)
    .sort();
}
