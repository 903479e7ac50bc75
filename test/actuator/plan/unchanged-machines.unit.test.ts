/** Verifies when the periodic check may skip the plan of a machine. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ActuatorOptions } from '../../../src/actuator/context/options.ts';
import type { StateHandle } from '../../../src/actuator/context/state-home.ts';
import type { StateSession } from '../../../src/actuator/context/state-session.ts';
import type { PlanPreview } from '../../../src/actuator/plan/preview.ts';
import { UnchangedMachines } from '../../../src/actuator/plan/unchanged-machines.ts';
import type { MachineIntent } from '../../../src/intent/hosted-intent.ts';
import { ProviderPool } from '../../../src/terraform/provider/pool.ts';
import { Terraform } from '../../../src/terraform/terraform.ts';
import { AnsweringProvider } from '../../terraform/provider/answering-provider.ts';

const intent = {
  name: 'a',
  namespace: 'n',
  uri: 'qemu:///system',
  domain: { vcpu: 1 },
} as unknown as MachineIntent;
const NONE: PlanPreview = { plan: { action: 'none', changes: [], drift: [] }, explanations: [] };
const CHANGES: PlanPreview = { plan: { action: 'update', changes: [], drift: [] }, explanations: [] };
const OWN = 'registry.terraform.io/dmacvicar/libvirt';

let directory: string;
let provider: AnsweringProvider;
let terraform: Terraform;
let home: StateHandle;
let machines: UnchangedMachines;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-unchanged-'));
  provider = await AnsweringProvider.in(directory);
  terraform = terraformOf('warm');
  home = {
    place: 'a',
    workspace: { dir: join(directory, 'work') },
    backend: { kind: 'implicit' },
  } as StateHandle;
  await mkdir(home.workspace.dir);
  await save(1);
  machines = machinesOf({});
});

afterEach(async () => {
  await terraform.close();
  await rm(directory, { recursive: true });
});

function terraformOf(providerMode: 'warm' | 'fork'): Terraform {
  return new Terraform({
    binary: async () => ({ path: provider.path, flavor: 'terraform', version: '1.11.4' }),
    providerMode,
    providers: new ProviderPool(async () => provider.path),
    limits: { total: 1, perKey: 1 },
    providerTimeoutMs: 2_000,
  });
}

function machinesOf(options: Partial<ActuatorOptions>): UnchangedMachines {
  return new UnchangedMachines({ terraform, trustsStates: true, ...options } as ActuatorOptions);
}

async function save(serial: number, source = OWN): Promise<void> {
  const instances = [{ schema_version: 0, attributes: { id: '/pool/a' } }];
  const volume = {
    mode: 'managed',
    type: 'libvirt_volume',
    name: 'root',
    provider: `provider["${source}"]`,
    instances,
  };
  const state = { version: 4, serial, lineage: 'l', outputs: {}, resources: [volume] };
  await writeFile(join(home.workspace.dir, 'terraform.tfstate'), JSON.stringify(state));
}

const session = () =>
  ({ home, terraform: { stateText: () => terraform.stateText(home.workspace) } }) as unknown as StateSession;
const observe = (plan: () => Promise<PlanPreview> = async () => NONE, of = machines) =>
  of.observed(session(), intent, plan);
const reason = (of = intent) => machines.reasonToPlan(home, of);

it('no plan is made again of what one said "no changes" of, until something is different', async () => {
  expect(await reason()).toBe('first');
  expect(await observe()).toBe(NONE);
  expect(await reason()).toBeUndefined();
  await provider.answer('changed by somebody');
  expect(await reason()).toBe('differs');
  await provider.answer('as it was made');
  expect(await reason()).toBeUndefined();
});

it('what a later plan said "no changes" of counts from then on', async () => {
  await observe();
  await provider.answer('with an address');
  await observe();
  expect(await reason()).toBeUndefined();
});

it('a machine that is specified otherwise is planned', async () => {
  await observe();
  expect(await reason({ ...intent, domain: { ...intent.domain, vcpu: 2 } })).toBe('changed');
});

it('another state is planned, and one that was only written again is not', async () => {
  await observe();
  await save(1);
  expect(await reason()).toBeUndefined();
  await save(2);
  expect(await reason()).toBe('changed');
});

it('another terraform in the same place is another plan', async () => {
  await observe();
  await rm(provider.path);
  await provider.write();
  expect(await reason()).toBe('changed');
});

it.each(['problem', 'silence'])(
  'a provider that answers with a %s is no reason to believe anything',
  async (answer) => {
    await observe();
    await provider.answer(answer);
    expect(await reason()).toBe('failed');
    await observe();
    await provider.answer('as it was made');
    expect(await reason()).toBeUndefined();
  },
);

describe('nothing is remembered of', () => {
  it.each<[string, PlanPreview]>([
    ['a plan with changes', CHANGES],
    ['a plan over a state that has to be recovered', { ...NONE, recovered: [] }],
  ])('%s', async (_, preview) => {
    expect(await observe(async () => preview)).toBe(preview);
    expect(await reason()).toBe('first');
  });

  it('a plan beside which somebody changed the machine', async () => {
    await observe(async () => {
      await provider.answer('changed by somebody');
      return NONE;
    });
    expect(await reason()).toBe('first');
  });

  it('a plan beside which somebody wrote the state', async () => {
    await observe(async () => {
      await save(2);
      return NONE;
    });
    expect(await reason()).toBe('first');
  });

  it('a plan that failed', async () => {
    const failing = async () => {
      throw new Error('terraform failed');
    };
    await expect(observe(failing)).rejects.toThrow('terraform failed');
    expect(await reason()).toBe('first');
  });

  it('a machine at which something was done', async () => {
    await observe();
    machines.forget(home);
    expect(await reason()).toBe('first');
  });
});

it('a state that names what is not the machine’s is refused before its provider is asked', async () => {
  const strict = machinesOf({ trustsStates: false });
  await save(1, 'registry.terraform.io/somebody/libvirt');
  await observe(async () => NONE, strict);
  expect(await provider.calls()).toEqual([]);
  expect(await strict.reasonToPlan(home, intent)).toBe('first');
});

describe('always planned is', () => {
  it.each<[string, object]>([
    ['a machine with Terraform of its own', { terraform: { data: {} } }],
    ['a machine with Ignition', { seed: { kind: 'ignition' } }],
  ])('%s', async (_, more) => {
    expect(await reason({ ...intent, ...more } as MachineIntent)).toBe('excluded');
  });

  it('every machine, where each terraform starts its own provider', async () => {
    terraform = terraformOf('fork');
    machines = machinesOf({});
    await observe();
    expect(await reason()).toBe('excluded');
    expect(await provider.calls()).toEqual([]);
  });
});

describe('a state in a Secret', () => {
  let version: string | undefined;

  beforeEach(() => {
    version = '7';
    home = { ...home, secret: { namespace: 'n', name: 'tfstate-a' } };
    machines = machinesOf({ secretVersion: () => version });
  });

  it('is read only when a watch shows another version of it', async () => {
    await observe();
    await rm(join(home.workspace.dir, 'terraform.tfstate'));
    expect(await reason()).toBeUndefined();
    version = '8';
    expect(await reason()).toBe('changed');
    await save(1);
    expect(await reason()).toBeUndefined();
  });

  it('is read each time where no watch shows it', async () => {
    await observe();
    version = undefined;
    await save(2);
    expect(await reason()).toBe('changed');
  });
});
