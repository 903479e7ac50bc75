/** Verifies that machines survive when caplv and its processes are killed at each step, without a cluster. */

import { readdir, readFile, truncate } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parseState } from '../../src/terraform/format/state.ts';
import { readStateFile } from '../../src/terraform/workspace-state.ts';
import type { CaplvOptions, CaplvResult } from '../e2e/caplv.ts';
import { machine, manifest } from '../e2e/manifests.ts';
import { useStandalone } from '../e2e/standalone.ts';
import { EVERYTHING, useFaultPoints, type Victim } from './fault-points.ts';
import { CHANGED, faultOf, type Life, lives, RESOURCES, VOLUMES, volumeNames } from './lives.ts';
import { record } from './record.ts';

const here = useStandalone('crash');
const faults = useFaultPoints(() => here().lab);

function call(args: readonly string[], { env, ...options }: CaplvOptions = {}) {
  return here().caplv.start(args, { ...options, env: { ...faults().env(), ...env } });
}

/** Runs a call during which processes are killed, and again if the call itself was killed: the second must succeed. */
async function struck(
  workspace: string,
  victims: readonly Victim[],
  point: string,
  args: readonly string[],
  options: CaplvOptions = {},
): Promise<CaplvResult> {
  await faults().arm(workspace, victims, point);
  const first = call(args, options);
  const result = await first.result;
  if (!faults().isHit(workspace)) throw new Error(`not struck at ${point}:\n${result.stderr}`);
  if (!victims.includes('caplv')) return result;
  expect(result.exitCode).toBeUndefined();
  return call(args, options).result;
}

/** Expects success, and shows stderr otherwise. */
function succeeded({ exitCode, stderr }: CaplvResult): void {
  expect(exitCode, stderr).toBe(0);
}

const seen = (victims: readonly Victim[]) =>
  victims.includes('caplv') ? 'the next call goes on' : 'the same call tries again';

async function facts(name: string) {
  const state = parseState(await readStateFile(here().workspaceFile(name, 'terraform.tfstate')));
  return {
    domains: (await here().domains()).filter((domain) => domain === `default.${name}`).length,
    volumes: volumeNames(await here().volumes(), name),
    state: (state?.resources ?? []).map(({ address }) => address).sort(),
  };
}

const WHOLE = { domains: 1, volumes: VOLUMES, state: RESOURCES };
const NOTHING = { domains: 0, volumes: [], state: [] };

async function liveThrough({ victims, name, points, spec, changed, replaced }: Life): Promise<void> {
  const [create, update, replace, remove] = points;
  const apply = (point: string, wanted: object, ...args: string[]) =>
    struck(name, victims, point, ['apply', '-f', '-', ...args], {
      input: manifest(machine(name, { ...here().image, ...wanted })),
    });
  const uuid = () => here().virsh('domuuid', `default.${name}`);

  succeeded(await apply(create, spec));
  expect(await facts(name)).toEqual(WHOLE);
  const first = await uuid();

  succeeded(await apply(update, changed));
  expect(await facts(name)).toEqual({ ...WHOLE, state: CHANGED });
  expect(await uuid()).toBe(first);
  expect(await here().virsh('domstate', `default.${name}`)).toBe('shut off');

  succeeded(await apply(replace, replaced, '--allow-replace-disk', `${name}/root`));
  expect(await facts(name)).toEqual({ ...WHOLE, state: CHANGED });
  expect(await uuid()).not.toBe(first);

  const gone = await struck(name, victims, remove, [
    ...['delete', 'machine', name, '--now', '--ignore-not-found'],
  ]);
  succeeded(gone);
  expect(await facts(name)).toEqual(NOTHING);
}

describe('SIGKILL at each step', { timeout: 300_000 }, () => {
  // All steps for caplv itself; a choice for the others, since each life costs eight calls.
  test.concurrent.for(lives('caplv', [1, 3, 7, 2]))(
    'of $killed: $points.0, $points.1, $points.2, $points.3',
    async (life, context) => {
      await liveThrough(life);
      const outcomes = [
        'made, once',
        'changed, the same domain',
        'replaced, as allowed',
        'gone, with all of it',
      ];
      const verbs = ['create', 'update', 'replace', 'delete'];
      for (const [index, outcome] of outcomes.entries()) {
        const fault = faultOf(life, verbs[index] ?? '', life.points[index] ?? '');
        record(context, { fault, seen: seen(life.victims), outcome });
      }
    },
  );
});

/** How much of a state a terraform has written that was killed while it wrote. */
const LENGTHS = [
  { left: 'nothing', name: 'torn-nothing', of: () => 0 },
  { left: 'half', name: 'torn-half', of: (size: number) => Math.floor(size / 2) },
  { left: 'all but the last brace', name: 'torn-end', of: (size: number) => size - 2 },
] as const;

describe('SIGKILL while terraform writes a state', { timeout: 300_000 }, () => {
  test.concurrent.for(LENGTHS)('of which $left is written', async ({ left, name, of }, context) => {
    const spec = { ...here().image, userData: '#cloud-config\n', disks: [{ name: 'data', sizeGB: 1 }] };
    const input = (wanted: object) => ({ input: manifest(machine(name, { ...spec, ...wanted })) });
    const apply = ['apply', '-f', '-'];
    const remove = ['delete', 'machine', name, '--now', '--ignore-not-found'];
    /** Kills the run there, with a part of the state; the next call continues. */
    const torn = async (point: string, args: readonly string[], options: CaplvOptions = {}) => {
      await faults().arm(name, EVERYTHING, point);
      expect((await call(args, options).result).exitCode).toBeUndefined();
      expect(faults().isHit(name)).toBe(true);
      const file = here().workspaceFile(name, 'terraform.tfstate');
      await truncate(file, of((await readFile(file)).length));
      const next = await call(args, options).result;
      succeeded(next);
      return next;
    };
    const uuid = () => here().virsh('domuuid', `default.${name}`);

    await torn('create_complete libvirt_volume.seed', apply, input({}));
    expect(await facts(name)).toEqual(WHOLE);
    const first = await uuid();

    await torn('update_complete libvirt_domain.machine', apply, input({ autostart: true }));
    expect(await facts(name)).toEqual(WHOLE);
    expect(await uuid()).toBe(first);
    // Terraform finds the same.
    expect(await call(['plan', '-f', '-'], input({ autostart: true })).result).toMatchObject({ exitCode: 0 });
    // Nothing of a state is ever thrown away.
    const aside = (await readdir(here().workspaceFile(name, '.'))).filter((file) =>
      file.includes('.corrupt'),
    );
    expect(aside).toHaveLength(2);

    const gone = await torn('delete_complete libvirt_domain.machine', remove);
    expect(gone.stderr).not.toContain('StateCorrupt');
    expect(await facts(name)).toEqual(NOTHING);
    record(context, {
      fault: `SIGKILL of caplv, terraform and provider, create, update, delete: ${left} of the state is written`,
      seen: 'the next call goes on',
      outcome: 'made, changed, the same domain, gone; the broken states kept aside',
    });
  });
});

test('nothing is left after all machines are deleted', async () => {
  expect(await here().domains()).toEqual([]);
  expect(await here().volumes()).toEqual([]);
  expect(await here().virsh('net-dumpxml', 'default')).not.toContain('<host ');
  expect(await here().stateFiles()).toEqual([]);
  expect(await faults().processes()).toEqual([]);
  expect(await faults().temporaryFiles()).toEqual([]);
});
