/** A person's commands and a controller over the same local store, as on a host with the systemd unit. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { ControllerProcess } from '../cluster/controller-process.ts';
import { machine } from './manifests.ts';
import { useStandalone } from './standalone.ts';

const here = useStandalone('beside');
const ROUNDS = 3;
const NAMES = ['a', 'b'];

let controller: ControllerProcess;

beforeAll(async () => {
  const env = { ...here().lab.env(), CAPLV_STATE_DIR: here().stateDir };
  controller = await ControllerProcess.start(env, ['--local']);
});
afterAll(() => controller?.stop());

test('both see each new machine at the same moment, and it is made once, changed once, and gone for good', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const spec = { ...here().image, userData: '#cloud-config\n' };
    const made = await here().apply(NAMES.map((name) => machine(name, spec)));
    expect(made).toMatchObject({ exitCode: 0 });
    const uuids = () => Promise.all(NAMES.map((name) => here().virsh('domuuid', `default.${name}`)));
    const before = await uuids();

    const changed = await here().apply(NAMES.map((name) => machine(name, { ...spec, autostart: true })));
    expect(changed).toMatchObject({ exitCode: 0 });
    expect(await uuids()).toEqual(before);

    const gone = await here().caplv.run(['delete', 'machine', ...NAMES, '--now']);
    expect(gone).toMatchObject({ exitCode: 0 });
    expect(await here().domains()).toEqual([]);
    await expect.poll(() => here().volumes()).toEqual([]);
  }
  expect(controller.lines.filter(({ message }) => message.startsWith('Reconcile failed'))).toEqual([]);
});
