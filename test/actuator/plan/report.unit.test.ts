/** Verifies that the id of a plan covers exactly the changes that the plan shows. */

import { describe, expect, it } from 'vitest';
import type { PlanEffect } from '../../../src/actuator/plan/effect.ts';
import type { PlanPreview } from '../../../src/actuator/plan/preview.ts';
import { planId, planReport } from '../../../src/actuator/plan/report.ts';
import type { Plan } from '../../../src/terraform/format/plan.ts';
import type { ChangeAction, ResourceChange } from '../../../src/terraform/format/resource-change.ts';
import { minimalMachine } from '../../stacks/intents.ts';

function change(action: ChangeAction, address: string): ResourceChange {
  const [type = '', name = ''] = address.split('.');
  return { action, address, type, name };
}

function preview(changes: readonly ResourceChange[], replacePaths: readonly string[] = []): PlanPreview {
  const explanations = changes.map(({ address, action }) => ({
    address,
    action,
    attributes: [],
    replacePaths: action === 'replace' ? replacePaths : [],
  }));
  return { plan: { action: 'update', changes, drift: [] }, explanations } as unknown as PlanPreview;
}

const create = change('create', 'libvirt_volume.root');
const replace = change('replace', 'libvirt_domain.machine');

describe('the id by which a person approves a plan', () => {
  it('is the same in whatever order terraform lists the changes', () => {
    const one = planId(minimalMachine, preview([create, replace]).plan);
    expect(planId(minimalMachine, preview([replace, create]).plan)).toBe(one);
  });

  it('is another one for another action, so that an approval never covers more than was shown', () => {
    const harmless = planId(minimalMachine, preview([change('update', 'libvirt_domain.machine')]).plan);
    expect(planId(minimalMachine, preview([replace]).plan)).not.toBe(harmless);
  });

  it('is another one for a machine that was edited since', () => {
    const edited = { ...minimalMachine, domain: { ...minimalMachine.domain, vcpu: 2 } };
    expect(planId(edited, preview([replace]).plan)).not.toBe(planId(minimalMachine, preview([replace]).plan));
  });
});

describe('the report of a plan', () => {
  it('counts the changes of resources, and names the attributes that force a replacement', () => {
    const report = planReport(minimalMachine, preview([create, replace], ['memory', 'vcpu']));
    expect(report.actions).toEqual([
      { address: 'libvirt_volume.root', action: 'create' },
      { address: 'libvirt_domain.machine', action: 'replace', reason: 'memory, vcpu' },
    ]);
    expect(report.summary).toMatch(/^1 .*, 1 .*$/);
  });

  it('leaves out what changes nothing on the host', () => {
    const report = planReport(minimalMachine, preview([change('noop', 'libvirt_domain.machine')]));
    expect(report).toMatchObject({ summary: 'outputs only', actions: [] });
  });
});

const domain = { address: 'libvirt_domain.machine', type: 'libvirt_domain', name: 'machine' } as const;
const plan: Plan = { action: 'replace', changes: [{ ...domain, action: 'replace' }], drift: [] };
const of = (uuid: string): PlanEffect => ({ restarts: true, disks: [], domain: uuid });

it('an approval counts for the domain that it was given for, and not for the one that came of it', () => {
  const id = planId(minimalMachine, plan, of('first'));
  expect(planId(minimalMachine, plan, of('first'))).toBe(id);
  expect(planId(minimalMachine, plan, of('second'))).not.toBe(id);
});

it('what takes nothing away may be approved before there is any domain', () => {
  const harmless: PlanEffect = { restarts: false, disks: [], domain: undefined };
  expect(planId(minimalMachine, plan, harmless)).toBe(planId(minimalMachine, plan, undefined));
});
