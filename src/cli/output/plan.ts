/** Prints the plan of a machine or host as people read it: attribute by attribute, secrets hidden. */

import { saysTheSame } from '../../actuator/plan/drifted-fields.ts';
import { effectText } from '../../actuator/plan/effect.ts';
import type { PlanPreview } from '../../actuator/plan/preview.ts';
import type { AttributeChange, Explanation } from '../../terraform/format/explanation.ts';
import type { Style } from './streams.ts';

export interface ResourcePlan extends PlanPreview {
  /** What the resources are of: `machine/kube-cp`, `host qemu:///system`. */
  readonly subject: string;
  /** Its name among the hosts of the Cluster; undefined where there is no choice. */
  readonly host?: string | undefined;
}

export const SIGN: Readonly<Record<string, string>> = {
  create: '+',
  update: '~',
  delete: '-',
  replace: '-/+',
};
export const COLOR = { create: 'green', update: 'yellow', delete: 'red', replace: 'red' } as const;

export function planText(
  { subject, host, plan: { action, drift }, explanations, effect, recovered = [] }: ResourcePlan,
  style: Style,
): string {
  const sources = recovered.map(({ from, objects }) => [from, ...objects].join(' '));
  const lost =
    sources.length > 0
      ? [`  ! its Terraform state is lost and will be recovered from ${sources.join(', then ')}`]
      : [];
  if (action === 'none') return [`${subject}: no changes`, ...lost, ''].join('\n');
  const lines = explanations.flatMap((one) => [
    `  ${style(COLOR[one.action as keyof typeof COLOR] ?? 'bold', `${SIGN[one.action] ?? one.action} ${one.address}`)}`,
    ...(one.action === 'update' || one.action === 'replace' ? attributeLines(one) : []),
  ]);
  // What else was changed outside shows in the attributes, or is nobody's wish, like an address that a guest was given.
  const drifted = drift
    .filter((one) => one.action === 'delete')
    .map(({ address }) => `  ! ${address} was removed outside`);
  const taken = effect && effectText(effect);
  const names = diskApprovals(subject, effect?.disks.map(({ name }) => name) ?? []);
  const warning = taken
    ? [
        style(
          'yellow',
          `  ! ${[taken, names.length > 0 ? `needs ${names.join(' ')}` : ''].filter(Boolean).join('; ')}`,
        ),
      ]
    : [];
  const where = host === undefined ? '' : ` on ${host}`;
  return [`${subject}: ${action}${where}`, ...lost, ...drifted, ...lines, ...warning, ''].join('\n');
}

/** What has these disks replaced: a flag of `apply`, or the annotation of what no command applies. */
function diskApprovals(subject: string, disks: readonly string[]): string[] {
  if (disks.length === 0) return [];
  if (subject.startsWith('libvirtmachine/')) return [`cluster-api.k8s.io/approve-disks=${disks.join(',')}`];
  return disks.map((disk) => `--allow-replace-disk ${subject.replace('machine/', '')}/${disk}`);
}

function attributeLines({ attributes, replacePaths }: Explanation): string[] {
  const forces = (name: string) =>
    replacePaths.some((path) => path.split('.')[0] === name) ? '  # forces replacement' : '';
  return attributes
    .filter((attribute) => (attribute.unknown ? forces(attribute.name) : !saysTheSame(attribute)))
    .map(
      (attribute) =>
        `      ${attribute.name}: ${shown(attribute, 'before')} -> ${shown(attribute, 'after')}${forces(attribute.name)}`,
    );
}

function shown(attribute: AttributeChange, side: 'before' | 'after'): string {
  if (attribute.secret) return '(secret)';
  if (side === 'after' && attribute.unknown) return '(known after apply)';
  return attribute[side] === undefined ? 'null' : JSON.stringify(attribute[side]);
}
