/** Verifies the text of plans. */

import { describe, expect, it } from 'vitest';
import { planText, type ResourcePlan } from '../../../src/cli/output/plan.ts';

const plain = (_color: string, text: string) => text;

function plan(change: Partial<ResourcePlan>): ResourcePlan {
  return {
    subject: 'machine/web',
    plan: { action: 'update', changes: [], drift: [] },
    explanations: [],
    ...change,
  } as ResourcePlan;
}

const memory = { name: 'memory', before: 1024, after: 2048 };

describe('the text of a plan', () => {
  it('is one line where nothing changes', () => {
    expect(planText(plan({ plan: { action: 'none', changes: [], drift: [] } }), plain)).toBe(
      'machine/web: no changes\n',
    );
  });

  it('shows what an attribute is and becomes, and that it forces a replacement', () => {
    const text = planText(
      plan({
        plan: { action: 'replace', changes: [], drift: [] },
        explanations: [
          {
            address: 'libvirt_domain.machine',
            type: 'libvirt_domain',
            name: 'machine',
            action: 'replace',
            attributes: [memory],
            replacePaths: ['memory'],
          },
        ],
      }),
      plain,
    );
    expect(text).toContain('-/+ libvirt_domain.machine');
    expect(text).toContain('memory: 1024 -> 2048  # forces replacement');
  });

  it('never shows the value of a secret attribute', () => {
    const secret = { name: 'content', before: 'old-token', after: 'new-token', secret: true as const };
    const text = planText(
      plan({
        explanations: [
          {
            address: 'libvirt_ignition.seed',
            type: 'libvirt_ignition',
            name: 'seed',
            action: 'update',
            attributes: [secret],
            replacePaths: [],
          },
        ],
      }),
      plain,
    );
    expect(text).toContain('content: (secret) -> (secret)');
    expect(text).not.toMatch(/token/);
  });

  it('names the host where a Cluster has several, and objects that were removed outside of terraform', () => {
    const gone = {
      action: 'delete',
      address: 'libvirt_volume.data',
      type: 'libvirt_volume',
      name: 'data',
    } as const;
    const text = planText(plan({ host: 'b', plan: { action: 'create', changes: [], drift: [gone] } }), plain);
    expect(text).toMatch(/^machine\/web: create on b\n/);
    expect(text).toContain('! libvirt_volume.data was removed outside');
  });
});
